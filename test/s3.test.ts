import { afterAll } from "vitest";
import { describeBackend } from "../src/testing/index.js";
import { fakeS3 } from "./support/s3/fake.js";
import { s3Subject } from "./support/s3/subject.js";

const fake = await fakeS3();
afterAll(() => fake.close());

await describeBackend("S3, a fake", () => s3Subject(fake));
await describeBackend("S3, a fake, a versioned bucket", () => s3Subject(fake, { versioned: true }));
