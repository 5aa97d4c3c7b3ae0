// Where oclif finds the commands.
import { load } from "./load.js";

export const { COMMANDS } = load("commands.js");
