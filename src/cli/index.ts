import type { CommandClass } from "./base-command.js";
import Apply from "./commands/apply.js";
import Dupes from "./commands/dupes.js";
import Explain from "./commands/explain.js";
import Find from "./commands/find.js";
import Fmt from "./commands/fmt.js";
import Gc from "./commands/gc.js";
import History from "./commands/history.js";
import Init from "./commands/init.js";
import Lint from "./commands/lint.js";
import LocationCheck from "./commands/location-check.js";
import LocationList from "./commands/location-list.js";
import Plan from "./commands/plan.js";
import Plugins from "./commands/plugins.js";
import PluginsInstall from "./commands/plugins-install.js";
import PluginsLink from "./commands/plugins-link.js";
import PluginsUninstall from "./commands/plugins-uninstall.js";
import Scan from "./commands/scan.js";
import Schema from "./commands/schema.js";
import Show from "./commands/show.js";
import SqlQuery from "./commands/sql.js";
import Stats from "./commands/stats.js";
import Status from "./commands/status.js";
import Unlock from "./commands/unlock.js";
import Url from "./commands/url.js";
import Validate from "./commands/validate.js";
import Verify from "./commands/verify.js";
import Whereis from "./commands/whereis.js";

/** Every command by its id (`location:list` is typed `location list`). */
export const COMMANDS: Record<string, CommandClass> = {
  apply: Apply,
  dupes: Dupes,
  explain: Explain,
  find: Find,
  fmt: Fmt,
  gc: Gc,
  history: History,
  init: Init,
  lint: Lint,
  "location:check": LocationCheck,
  "location:list": LocationList,
  plan: Plan,
  plugins: Plugins,
  "plugins:install": PluginsInstall,
  "plugins:link": PluginsLink,
  "plugins:uninstall": PluginsUninstall,
  scan: Scan,
  schema: Schema,
  show: Show,
  sql: SqlQuery,
  stats: Stats,
  status: Status,
  unlock: Unlock,
  url: Url,
  validate: Validate,
  verify: Verify,
  whereis: Whereis,
};
