import type { S3Client } from "@aws-sdk/client-s3";

/** A server to test against. */
export interface S3Server {
  endpoint: string;
  accessKeyId: string;
  secretAccessKey: string;
}

declare module "vitest" {
  interface ProvidedContext {
    /** Missing: there is no radosgw on this machine. */
    radosgw: S3Server | undefined;
  }
}

export const REGION = "us-east-1";

/** The SDK as another program would use it. */
export async function clientOf(server: S3Server): Promise<S3Client> {
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
  const { S3Client } = await import("@aws-sdk/client-s3");
  const { endpoint, ...credentials } = server;
  const options = { maxAttempts: 3, requestChecksumCalculation: "WHEN_REQUIRED" as const };
  return new S3Client({ endpoint, region: REGION, forcePathStyle: true, credentials, ...options });
}

let count = 0;
export const freshName = (): string => `stowage-test-${process.pid}-${Date.now().toString(36)}-${++count}`;

/** An empty bucket of one's own. */
export async function makeBucket(client: S3Client, options: { versioned?: boolean } = {}): Promise<string> {
  const { CreateBucketCommand, PutBucketVersioningCommand } = await import("@aws-sdk/client-s3");
  const Bucket = freshName();
  await client.send(new CreateBucketCommand({ Bucket }));
  if (options.versioned) {
    const VersioningConfiguration = { Status: "Enabled" as const };
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  }
  return Bucket;
}

/** Removes a bucket with all versions and uploads in it; no error when it is gone already. */
export async function dropBucket(client: S3Client, Bucket: string): Promise<void> {
  const sdk = await import("@aws-sdk/client-s3");
  try {
    const uploads = await client.send(new sdk.ListMultipartUploadsCommand({ Bucket }));
    for (const { Key, UploadId } of uploads.Uploads ?? []) {
      await client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    }
    for (;;) {
      const { Versions = [], DeleteMarkers = [] } = await client.send(new sdk.ListObjectVersionsCommand({ Bucket }));
      const all = [...Versions, ...DeleteMarkers];
      if (all.length === 0) break;
      await Promise.all(
        all.map(({ Key, VersionId }) => client.send(new sdk.DeleteObjectCommand({ Bucket, Key, VersionId }))),
      );
    }
    await client.send(new sdk.DeleteBucketCommand({ Bucket }));
  } catch (error) {
    if (!(error instanceof Error && error.name === "NoSuchBucket")) throw error;
  }
}
