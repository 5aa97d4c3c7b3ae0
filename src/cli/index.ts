import type { CommandClass } from "./base-command.js";
import Schema from "./commands/schema.js";

/** Every command by its id (`location:list` is typed `location list`). */
export const COMMANDS: Record<string, CommandClass> = {
  schema: Schema,
};
