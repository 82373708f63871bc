import { transferSuite } from "../../suites/transfer.ts";

transferSuite("undici", { transport: "undici" });
transferSuite("raw sockets", { transport: "raw" });
