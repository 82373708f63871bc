/** The whole API on workerd, Redis by REST: with local R2 and with a real Ceph as home. */
import { apiSuite } from "../suites/api/api.ts";
import { onCeph, onLocalR2 } from "../suites/api/grounds.ts";

apiSuite("workerd, local R2", () => onLocalR2("workerd"));
apiSuite("workerd, Ceph", () => onCeph("workerd"));
