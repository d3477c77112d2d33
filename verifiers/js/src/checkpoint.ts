/** Checkpoints as signed notes (section 10), and the cosignatures on them (section 11). */
import { type Bytes, concat, equal, fromBase64, fromUtf8, sha256, toBigInt, toHex, utf8 } from "./bytes.js";
import { verifies } from "./ed25519.js";

const NOTE_BYTES_MAX = 65_536;
const SIGNATURES_MAX = 64;
const NAME = /^[^\p{White_Space}+\x00-\x1f]+$/u;
const SIZE = /^[1-9][0-9]{0,15}$/;

/** A key as the lines of notes name it. */
export interface NoteKey {
  readonly name: string;
  readonly id: Bytes;
  readonly public: Bytes;
}

export const isNoteName = (text: string): boolean => NAME.test(text);

/** `kind` is 1 for a log and 4 for a witness. */
export async function noteKey(name: string, kind: number, raw: Bytes): Promise<NoteKey> {
  const id = (await sha256(concat(utf8(name + "\n"), Uint8Array.of(kind), raw))).slice(0, 4);
  return { name, id, public: raw };
}

interface Line {
  readonly name: string;
  readonly id: Bytes;
  readonly data: Bytes;
}

function readLine(text: string): Line {
  const [dash, name, encoded, more] = text.split(" ");
  const data = fromBase64(encoded ?? "");
  if (dash !== "\u2014" || !name || !isNoteName(name) || more !== undefined || !data || data.length < 5) {
    throw new Error("not a signature line");
  }
  return { name, id: data.slice(0, 4), data: data.slice(4) };
}

export class Checkpoint {
  private constructor(
    private readonly text: string,
    private readonly lines: Line[],
    readonly origin: string,
    readonly size: number,
    readonly root: Bytes,
  ) {}

  /** Reads a note; throws if it is none. */
  static parse(note: Uint8Array): Checkpoint {
    const whole = fromUtf8(note);
    const gap = whole.lastIndexOf("\n\n");
    const text = whole.slice(0, gap + 1);
    const lines = whole.slice(gap + 2);
    const [origin, digits, encoded, end, more] = text.split("\n");
    const size = SIZE.test(digits ?? "") ? Number(digits) : 0;
    const root = fromBase64(encoded ?? "");
    const fits =
      note.length <= NOTE_BYTES_MAX && !/[\x00-\x09\x0b-\x1f]/.test(whole) && gap >= 0 && lines.endsWith("\n") &&
      origin && end === "" && more === undefined && size >= 1 && size <= Number.MAX_SAFE_INTEGER &&
      root?.length === 32;
    if (!fits) throw new Error("not a checkpoint");
    const signatures = lines.slice(0, -1).split("\n").map(readLine);
    if (signatures.length > SIGNATURES_MAX) throw new Error("too many signatures");
    return new Checkpoint(text, signatures, origin, size, root);
  }

  /** At least one line is by one of these log keys, and all of those verify. */
  async signed(origin: string, publics: Bytes[]): Promise<boolean> {
    let found = false;
    for (const raw of publics) {
      for (const data of this.by(await noteKey(origin, 1, raw))) {
        if (!(await verifies(raw, data, utf8(this.text)))) return false;
        found = true;
      }
    }
    return found;
  }

  /** The ids that its lines carry. */
  ids(): string[] {
    return this.lines.map((line) => toHex(line.id));
  }

  /** The earliest time of the witness's lines in seconds, null without one, false if one does not verify. */
  async cosigned(key: NoteKey): Promise<bigint | null | false> {
    let earliest: bigint | null = null;
    for (const data of this.by(key)) {
      const time = toBigInt(data.slice(0, 8));
      const message = utf8(`cosignature/v1\ntime ${time}\n${this.text}`);
      if (data.length !== 72 || !(await verifies(key.public, data.slice(8), message))) return false;
      if (earliest === null || time < earliest) earliest = time;
    }
    return earliest;
  }

  private by(key: NoteKey): Bytes[] {
    const named = this.lines.filter((line) => line.name === key.name && equal(line.id, key.id));
    return named.map((line) => line.data);
  }
}
