/** The stores of the local stack as the app is told about them: settings in STORES, keys in secrets of their own. */
import * as z from "zod";

export const StoreKeys = z.object({ accessKeyId: z.string().min(1), secretAccessKey: z.string().min(1) });
export type StoreKeys = z.infer<typeof StoreKeys>;

export type Store = StoreKeys & {
  id: string;
  provider: string;
  endpoint: string;
  region: string;
  bucket: string;
  addressing: "path" | "virtual";
  prefix?: string;
};

/** STORES and the keys of each, as vars of the Worker or of the Node server's environment. The first store is home. */
export function storeVars(stores: readonly Store[]): Record<string, string> {
  const vars: Record<string, string> = {
    STORES: JSON.stringify(stores.map(({ accessKeyId: _, secretAccessKey: __, ...settings }) => settings)),
  };
  for (const store of stores) {
    const name = `STORE_${store.id.toUpperCase().replaceAll("-", "_")}`;
    vars[`${name}_ACCESS_KEY_ID`] = store.accessKeyId;
    vars[`${name}_SECRET_ACCESS_KEY`] = store.secretAccessKey;
  }
  return vars;
}
