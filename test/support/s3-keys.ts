/** A look into a store from outside the product, by the SDK. */
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { Store } from "../../scripts/stack/stores.ts";

function clientOf(store: Store): S3Client {
  const { accessKeyId, secretAccessKey, endpoint, region, addressing } = store;
  return new S3Client({ endpoint, region, forcePathStyle: addressing === "path", credentials: { accessKeyId, secretAccessKey } });
}

export async function listKeys(store: Store, prefix: string): Promise<string[]> {
  return (await listObjects(store, prefix)).map(({ key }) => key);
}

export async function listObjects(store: Store, prefix: string): Promise<{ key: string; sizeBytes: number }[]> {
  const client = clientOf(store);
  const objects: { key: string; sizeBytes: number }[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket: store.bucket,
        Prefix: (store.prefix ?? "") + prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
    );
    for (const { Key, Size } of page.Contents ?? []) if (Key !== undefined) objects.push({ key: Key, sizeBytes: Size ?? 0 });
    token = page.NextContinuationToken;
  } while (token !== undefined);
  client.destroy();
  return objects;
}

export async function readObject(store: Store, key: string): Promise<Uint8Array> {
  const client = clientOf(store);
  const { Body } = await client.send(new GetObjectCommand({ Bucket: store.bucket, Key: key }));
  const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
  client.destroy();
  return bytes;
}

/** As whoever has the store's keys, or its disks, may do it. */
export async function overwriteObject(store: Store, key: string, bytes: Uint8Array): Promise<void> {
  const client = clientOf(store);
  await client.send(new PutObjectCommand({ Bucket: store.bucket, Key: key, Body: bytes }));
  client.destroy();
}

export async function deleteObject(store: Store, key: string): Promise<void> {
  const client = clientOf(store);
  await client.send(new DeleteObjectCommand({ Bucket: store.bucket, Key: key }));
  client.destroy();
}
