import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ContainerClient } from "@azure/storage-blob";
import type { AzureStore } from "../../../src/config/config.js";

/** Microsoft's own server of the Blob protocol, as a child on a free loopback port; keeps everything in memory. */
export interface Azurite {
  /** `http://127.0.0.1:<port>/<account>` */
  endpoint: string;
  account: string;
  accountKey: string;
  /** A new container, and what it takes to open it. */
  container(): Promise<{ client: ContainerClient; store: AzureStore }>;
  close(): Promise<void>;
}

export async function startAzurite(): Promise<Azurite> {
  const account = "stowageaccount";
  const accountKey = randomBytes(32).toString("base64");
  const folder = await mkdtemp(join(tmpdir(), "stowage-azurite-"));
  const child = spawn(
    process.execPath,
    [
      createRequire(import.meta.url).resolve("azurite/dist/src/blob/main.js"),
      ...["--blobPort", "0", "--blobKeepAliveTimeout", "120"],
      ...["--inMemoryPersistence", "--silent", "--disableTelemetry"],
    ],
    {
      cwd: folder,
      env: { ...process.env, AZURITE_ACCOUNTS: `${account}:${accountKey}` },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  const endpoint = `${await addressOf(child)}/${account}`;
  const store: AzureStore = {
    type: "azure",
    account,
    endpoint,
    container: "",
    prefix: "",
    credentials: { accountKey },
  };
  return {
    endpoint,
    account,
    accountKey,
    async container() {
      const { BlobServiceClient, StorageSharedKeyCredential } = await import("@azure/storage-blob");
      const service = new BlobServiceClient(endpoint, new StorageSharedKeyCredential(account, accountKey));
      const client = service.getContainerClient(`c${randomUUID()}`);
      await client.create();
      return { client, store: { ...store, container: client.containerName } };
    },
    async close() {
      process.off("exit", end);
      end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What the server says it listens on. */
async function addressOf(child: ChildProcess): Promise<string> {
  let said = "";
  return await new Promise((resolve, reject) => {
    const hear = (text: Buffer) => {
      said += text;
      const address = /listens on (http:\S+)/.exec(said)?.[1];
      if (address) resolve(address);
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.once("exit", () => reject(new Error(`Azurite does not start: ${said}`)));
  });
}
