// A client that knows of the service what the generated types say of it, and nothing else: asks, acts, reports, looks.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const [baseUrl, token] = process.argv.slice(2);
const { GET, POST } = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

const decided = await POST("/v1/decisions", {
  body: { action: { kind: "cli", argv: ["git", "status"] }, reason: "the generated client" },
});
if (!decided.data?.may_perform) throw new Error(JSON.stringify(decided.error ?? decided.data));
const id = decided.data.receipt_id;

const closed = await POST("/v1/actions/{id}/outcome", {
  params: { path: { id } },
  body: { ending: "completed", exit_code: 0, output: "clean\n" },
});
if (closed.data?.intent !== id) throw new Error(JSON.stringify(closed.error));

const action = await GET("/v1/actions/{id}", { params: { path: { id } } });
if (action.data?.state !== "completed") throw new Error(JSON.stringify(action));

const page = await GET("/v1/receipts", { params: { query: { limit: 2 } } });
if (page.data?.receipts.length !== 2 || !page.data.next_cursor) throw new Error(JSON.stringify(page));

const wrong = await POST("/v1/decisions", { body: { action: { kind: "cli", argv: [] } } });
if (wrong.error?.code !== "request.limit") throw new Error(JSON.stringify(wrong));

console.log(closed.data.receipt_id);
