/** A look into a store from outside the product, by the SDK. */
import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import type { Store } from "../../scripts/stack/stores.ts";

function clientOf(store: Store): S3Client {
  const { accessKeyId, secretAccessKey, endpoint, region, addressing } = store;
  return new S3Client({ endpoint, region, forcePathStyle: addressing === "path", credentials: { accessKeyId, secretAccessKey } });
}

export async function listKeys(store: Store, prefix: string): Promise<string[]> {
  const client = clientOf(store);
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket: store.bucket,
        Prefix: (store.prefix ?? "") + prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
    );
    for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key);
    token = page.NextContinuationToken;
  } while (token !== undefined);
  client.destroy();
  return keys;
}
