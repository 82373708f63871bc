import { transferFaultsSuite } from "../suites/transfer-faults.ts";

transferFaultsSuite("undici", { transport: "undici" });
transferFaultsSuite("raw sockets", { transport: "raw" });
