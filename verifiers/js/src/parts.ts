/** The parts of a bundle, as the file has them (section 13, step 1). */
import { type Bytes, fromBase64, utf8 } from "./bytes.js";
import { Fault } from "./fault.js";
import { ANY_KEY, type Json, type JsonObject, parse } from "./json.js";
import { isObject } from "./shape.js";

export const BUNDLE_BYTES_MAX = 64 * 1024 * 1024;
const RECEIPTS_MAX = 20_000;
const SIGNATURES_MAX = 16;
const PATH_HASHES_MAX = 64;
const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE = "urn:cascade:bundle:v1";

export interface Parts {
  readonly payload: Bytes;
  readonly signatures: { readonly keyId: string; readonly signature: Bytes }[];
  readonly origin: string;
  readonly checkpoint: string;
  readonly receipts: { readonly line: string; readonly path: Bytes[] }[];
  readonly subjects: { readonly receiptId: string; readonly entryHash: string }[];
  readonly disclosures: {
    readonly receiptId: string;
    readonly field: string;
    readonly nonce: Bytes;
    readonly bytes: Bytes;
  }[];
  readonly snapshots: Bytes[];
}

const malformed = (): never => {
  throw new Fault("bundle.malformed", 0);
};

const object = (value: Json): JsonObject => (value !== undefined && isObject(value) ? value : malformed());
const text = (value: Json): string => (typeof value === "string" ? value : malformed());
const list = (value: Json): Json[] => (Array.isArray(value) ? value : malformed());
const base64 = (value: Json): Bytes => fromBase64(text(value)) ?? malformed();

function base64Of(size: number, value: Json): Bytes {
  const bytes = base64(value);
  return bytes.length === size ? bytes : malformed();
}

function spelled(pattern: RegExp, value: Json): string {
  return pattern.test(text(value)) ? value : malformed();
}

const receiptId = (value: Json): string => spelled(/^r_[0-9a-f]{16}$/, value);

function small<T>(items: T[], most: number): T[] {
  if (items.length > most) throw new Fault("bundle.size", 0);
  return items;
}

/** Bytes of a file that tell a bundle from a ledger. */
export const LOOK_BYTES = 256;

/** Whether a file is read as a bundle. */
export const isBundle = (first: Uint8Array): boolean =>
  /^[ \t\n\r]*\{[ \t\n\r]*"(?:payload|payloadType|signatures)"/.test(
    String.fromCharCode(...first.subarray(0, LOOK_BYTES)),
  );

function receipt(one: Json): Parts["receipts"][number] {
  const path = list(object(one).path);
  if (path.length > PATH_HASHES_MAX) malformed();
  return { line: text(one.line), path: path.map((hash) => base64Of(32, hash)) };
}

function predicateOf(payload: Bytes): [JsonObject, JsonObject] {
  const statement = parseForeign(payload);
  if (statement._type !== STATEMENT_TYPE || statement.predicateType !== PREDICATE_TYPE) {
    throw new Fault("bundle.type", 0);
  }
  return [statement, object(statement.predicate)];
}

function parseForeign(bytes: Bytes): JsonObject {
  try {
    return object(parse(bytes, ANY_KEY));
  } catch (error) {
    throw error instanceof Fault ? new Fault("bundle.malformed", 0) : error;
  }
}

/** Reads a file; nothing is verified yet. */
export function readParts(file: Bytes): Parts {
  if (file.length > BUNDLE_BYTES_MAX) throw new Fault("bundle.size", 0);
  const envelope = parseForeign(file);
  if (text(envelope.payloadType) !== PAYLOAD_TYPE) throw new Fault("bundle.type", 0);
  const payload = base64(envelope.payload);
  const signatures = small(list(envelope.signatures), SIGNATURES_MAX).map((one) => ({
    keyId: text(object(one).keyid),
    signature: base64Of(64, one.sig),
  }));
  const [statement, predicate] = predicateOf(payload);
  const receipts = small(list(predicate.receipts), RECEIPTS_MAX).map(receipt);
  list(predicate.not_proven).forEach(text);
  return {
    payload,
    signatures,
    receipts,
    origin: text(predicate.log_origin),
    checkpoint: text(predicate.checkpoint),
    subjects: list(statement.subject).map((one) => ({
      receiptId: receiptId(object(one).name),
      entryHash: spelled(/^[0-9a-f]{64}$/, object(one.digest).sha256),
    })),
    disclosures: list(predicate.disclosures).map((one) => ({
      receiptId: receiptId(object(one).receipt_id),
      field: spelled(/^[a-z0-9_]+$/, one.field),
      nonce: base64Of(32, one.nonce),
      bytes: base64(one.bytes),
    })),
    snapshots: list(predicate.snapshots).map(base64),
  };
}

/** What DSSE signs. */
export const preAuthentication = (payload: Bytes): Bytes =>
  utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `);
