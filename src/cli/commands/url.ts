import { Args, Flags } from "@oclif/core";
import type { Backend } from "../../backend/backend.js";
import type { Location } from "../../config/config.js";
import { parseDuration } from "../../config/units.js";
import { StowageError } from "../../lib/error.js";
import { address, invalidKey, printable } from "../../lib/key.js";
import { duration } from "../../report/format.js";
import { addressOf } from "../addresses.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { typed, usage } from "../usage.js";
import { withWorkspace } from "../workspace.js";

export default class Url extends BaseCommand {
  static override summary = "Make a link to one object that works for a while";
  static override description =
    `Prints a presigned URL: whoever has it can read that one object, or with --upload create it, until it expires; nobody has to have an account. Works for s3, gcs, azure and supabase locations; a link that uploads never replaces an object. Asks the store whether the object is there.

What is uploaded by such a link has no hash noted on it: \`stowage scan --hash all\` or \`stowage verify\` reads it.

${exits([1, "error, no such object, or the store has no such links"])}`;
  static override examples = examples(
    ["url s3_archive:2026/clip.mp4", "share a file for an hour"],
    ["url s3_archive:2026/clip.mp4 --expires 7d", "share it for a week"],
    ["url s3_archive:inbox/new.mp4 --upload --expires 15min", "let somebody send a file"],
  );
  static override args = {
    address: Args.string({ description: "LOCATION:KEY", required: true }),
  };
  static override flags = {
    expires: Flags.string({ default: "1h", helpValue: "DURATION", description: "how long the link works" }),
    upload: Flags.boolean({ description: "a link that creates the object (HTTP PUT)" }),
  };

  async run(): Promise<undefined> {
    const { args, flags } = await this.parse(Url);
    const output = this.output(flags);
    const expires = typed(() => parseDuration(flags.expires));
    if (expires < 1000) throw usage("USAGE", `--expires ${flags.expires}: the link would have expired already`);
    return withWorkspace(flags, output, async ({ config, backends, clock }) => {
      const where = addressOf(args.address, config);
      const location = config.locations.find(({ name }) => name === where?.location);
      if (!where || !location) {
        throw new StowageError("NOT_FOUND", `"${args.address}" is no location:key`, {
          hint: `The locations are: ${config.locations.map(({ name }) => name).join(", ")}.`,
        });
      }
      const method = flags.upload ? "PUT" : "GET";
      const backend = usable(location, (await backends()).get(location.name));
      await requireState(backend, where.key, method);
      const url = await backend.presign(where.key, { method, expires });
      if (output.json) {
        const until = new Date(clock() + expires).toISOString();
        const headers = flags.upload ? { headers: backend.linkHeaders ?? {} } : {};
        output.document({ address: address(where.location, where.key), method, url, ...headers, expires_at: until });
      } else {
        output.line(url);
        const send = Object.entries(backend.linkHeaders ?? {}).map(([name, value]) => `-H '${name}: ${value}' `);
        const how = flags.upload ? ` Send the file with \`curl -f -T FILE ${send.join("")}'URL'\`.` : "";
        output.note(`Works for ${duration(expires)}.${how}`);
      }
      return undefined;
    });
  }
}

type Presigning = Backend & { presign: NonNullable<Backend["presign"]> };

function usable(location: Location, backend: Backend | undefined): Presigning {
  if (!backend) throw new StowageError("UNAVAILABLE", `${location.name} is ${location.status}`);
  if (!backend.presign) {
    throw new StowageError("UNSUPPORTED", `${location.name} is of the type ${location.type}, which has no links`, {
      hint: "Links exist for s3, gcs, azure and supabase locations.",
    });
  }
  return backend as Presigning;
}

/** A link to nothing, or one that could create nothing, is found out now and not by who gets it. */
async function requireState(backend: Backend, key: string, method: "GET" | "PUT"): Promise<void> {
  const at = printable(address(backend.location, key));
  const invalid = invalidKey(key);
  if (invalid) throw new StowageError("UNSUPPORTED_NAME", `${at}: ${invalid}`);
  const there = await backend.stat(key);
  if (method === "GET" && !there) throw new StowageError("NOT_FOUND", `${at} does not exist`);
  if (method === "GET" && there?.archived)
    throw new StowageError("ARCHIVED", `${at} can not be read now`, { hint: there.archived });
  if (method === "PUT" && there) throw new StowageError("PRECONDITION", `${at} exists already`);
}
