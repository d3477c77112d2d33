/** A fault of the evidence: its code (section 16), and its seq where that is not the line being read. */
export class Fault extends Error {
  constructor(
    readonly code: string,
    readonly seq: number | null = null,
  ) {
    super(code);
  }
}

/** Throws the fault `code` unless the condition holds. */
export function demand(condition: unknown, code: string): asserts condition {
  if (!condition) throw new Fault(code);
}
