/**
 * The restricted JSON of section 1.1, read from left to right. JSON.parse would forget duplicate keys and round
 * numbers.
 */
import { type Bytes, fromUtf8, utf8 } from "./bytes.js";
import { demand, Fault } from "./fault.js";

// Evidence has no type until its shape is checked, member by member, in shape.ts.
export type Json = any;
export type JsonObject = Record<string, Json>;

const MAX_DEPTH = 16;
const MAX_INT = Number.MAX_SAFE_INTEGER;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\x00-\x1f]*/y;
const SPACE = /[ \t\n\r]*/y;
const HEX4 = /[0-9A-Fa-f]{4}/y;
const UNESCAPED: Record<string, string> = {
  '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t",
};
const ESCAPED: Record<string, string> = {
  '"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r",
};
export const OWN_KEY = /^[a-z0-9_]+$/;
/** Keys of a format that others have made. */
export const ANY_KEY = /^[^]*$/;

class Reader {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly key: RegExp,
  ) {}

  document(): Json {
    this.match(SPACE);
    const value = this.value(1);
    this.match(SPACE);
    demand(this.at === this.text.length, "syntax.malformed");
    return value;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found;
  }

  private take(token: string): boolean {
    const found = this.text.startsWith(token, this.at);
    if (found) this.at += token.length;
    return found;
  }

  private value(depth: number): Json {
    const first = this.text[this.at];
    if (first === "{" || first === "[") {
      demand(depth <= MAX_DEPTH, "syntax.depth");
      this.at += 1;
      return first === "{" ? this.object(depth) : this.array(depth);
    }
    if (first === '"') return this.string();
    if (this.take("true")) return true;
    if (this.take("false")) return false;
    demand(!this.take("null"), "syntax.null");
    return this.number();
  }

  /** Steps through the places of a list's items, up to its closer. */
  private *items(closer: string): Generator<void> {
    this.match(SPACE);
    if (this.take(closer)) return;
    for (;;) {
      this.match(SPACE);
      yield;
      this.match(SPACE);
      if (this.take(closer)) return;
      demand(this.take(","), "syntax.malformed");
    }
  }

  private array(depth: number): Json[] {
    const items = [];
    for (const _ of this.items("]")) items.push(this.value(depth + 1));
    return items;
  }

  private object(depth: number): JsonObject {
    // Without a prototype, so that `__proto__` is a key like others.
    const members: JsonObject = Object.create(null);
    for (const _ of this.items("}")) {
      demand(this.text[this.at] === '"', "syntax.malformed");
      const key = this.string();
      demand(this.key.test(key), "syntax.key");
      demand(!(key in members), "syntax.duplicate_key");
      this.match(SPACE);
      demand(this.take(":"), "syntax.malformed");
      this.match(SPACE);
      members[key] = this.value(depth + 1);
    }
    return members;
  }

  private string(): string {
    this.at += 1;
    let text = "";
    for (;;) {
      text += this.match(PLAIN)?.[0] ?? "";
      if (this.take('"')) return text;
      demand(this.take("\\"), "syntax.malformed");
      const letter = this.text[this.at] ?? "";
      this.at += 1;
      if (letter === "u") {
        text += this.escaped();
      } else {
        const plain = UNESCAPED[letter];
        demand(plain !== undefined, "syntax.malformed");
        text += plain;
      }
    }
  }

  private hex4(): number {
    const digits = this.match(HEX4);
    demand(digits, "syntax.malformed");
    return parseInt(digits[0], 16);
  }

  /** What follows the u of an escape: one code unit, or a surrogate and its partner. */
  private escaped(): string {
    const unit = this.hex4();
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
    demand(unit <= 0xdbff && this.take("\\u"), "syntax.unicode");
    const low = this.hex4();
    demand(low >= 0xdc00 && low <= 0xdfff, "syntax.unicode");
    return String.fromCharCode(unit, low);
  }

  private number(): number {
    const found = this.match(NUMBER);
    demand(found, "syntax.malformed");
    demand(!found[1] && !found[2], "syntax.float");
    const number = Number(found[0]);
    demand(Math.abs(number) <= MAX_INT, "syntax.int_range");
    return number;
  }
}

/** A value, whatever its spelling. */
export function parse(bytes: Uint8Array, key: RegExp = OWN_KEY): Json {
  let text;
  try {
    text = fromUtf8(bytes);
  } catch {
    throw new Fault("syntax.unicode");
  }
  return new Reader(text, key).document();
}

const escaped = (letter: string): string =>
  ESCAPED[letter] ?? "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0");

/** The JCS text of a value that was read here (RFC 8785). */
export function canonicalText(value: Json): string {
  if (typeof value === "string") return '"' + value.replace(/["\\\x00-\x1f]/g, escaped) + '"';
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return "[" + value.map(canonicalText).join(",") + "]";
  const members = Object.keys(value).sort().map((key) => `"${key}":${canonicalText(value[key])}`);
  return "{" + members.join(",") + "}";
}

export const canonical = (value: Json): Bytes => utf8(canonicalText(value));
