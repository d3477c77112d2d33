/** The SSH wire format (RFC 4251, section 5). Throws where it does not fit. */
import { type Bytes, concat, equal, toBigInt } from "./bytes.js";

export class Wire {
  private at = 0;

  constructor(private readonly data: Bytes) {}

  raw(size: number): Bytes {
    if (size > this.data.length - this.at) throw new Error("too short");
    this.at += size;
    return this.data.slice(this.at - size, this.at);
  }

  uint32(): number {
    return Number(toBigInt(this.raw(4)));
  }

  string(): Bytes {
    return this.raw(this.uint32());
  }

  /** An mpint that is not negative, in its shortest form; without the leading zero byte. */
  natural(): Bytes {
    const raw = this.string();
    const [first = 0, second = 0] = raw;
    if (first & 0x80 || (raw.length === 1 && first === 0) || (raw.length > 1 && first === 0 && !(second & 0x80))) {
      throw new Error("not the spelling of a natural number");
    }
    return first === 0 ? raw.slice(1) : raw;
  }

  end(): void {
    if (this.at !== this.data.length) throw new Error("trailing bytes");
  }

  expect(bytes: Bytes): void {
    if (!equal(this.string(), bytes)) throw new Error("another string");
  }
}

export function wireString(data: Bytes): Bytes {
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, data.length);
  return concat(size, data);
}
