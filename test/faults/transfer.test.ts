import { transferFaultsSuite } from "../suites/transfer-faults.ts";

transferFaultsSuite("undici", {});
