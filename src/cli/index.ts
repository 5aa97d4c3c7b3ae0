import type { CommandClass } from "./base-command.js";
import Dupes from "./commands/dupes.js";
import Fmt from "./commands/fmt.js";
import History from "./commands/history.js";
import Schema from "./commands/schema.js";
import Show from "./commands/show.js";
import SqlQuery from "./commands/sql.js";
import Stats from "./commands/stats.js";
import Unlock from "./commands/unlock.js";
import Validate from "./commands/validate.js";
import Whereis from "./commands/whereis.js";

/** Every command by its id (`location:list` is typed `location list`). */
export const COMMANDS: Record<string, CommandClass> = {
  dupes: Dupes,
  fmt: Fmt,
  history: History,
  schema: Schema,
  show: Show,
  sql: SqlQuery,
  stats: Stats,
  unlock: Unlock,
  validate: Validate,
  whereis: Whereis,
};
