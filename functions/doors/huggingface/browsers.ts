/**
 * Hub clients in browsers: any page may ask, for nothing is answered by cookies, and a page without the token learns what anybody learns. The
 * headers are those that hf.co exposes, as far as we send them.
 */
import type { Context } from "hono";

const EXPOSED =
  "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag";

export function openToPages(c: Context, answer: Response): Response {
  if (c.req.header("origin") === undefined) return answer;
  answer.headers.set("access-control-allow-origin", "*");
  answer.headers.set("access-control-expose-headers", EXPOSED);
  return answer;
}

export function preflight(): Response {
  const headers = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD, POST, PUT, DELETE",
    "access-control-allow-headers": "Authorization, Content-Type, Range, X-Request-Id",
    "access-control-max-age": "86400",
  };
  return new Response(null, { status: 204, headers });
}
