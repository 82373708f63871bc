import { transferSuite } from "../../suites/transfer.ts";

transferSuite("undici", {});
