// Tokens that an issuer would not give, signed with its own keys: `node forge.js KEYS < requests`. A request is a line
// {alg, kid?, head?, claims}; the answer is a token a line. The library signs; what it would refuse to say is said raw.
import { createHmac, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { CompactSign, importJWK } from "jose";

const keys = JSON.parse(readFileSync(process.argv[2], "utf8"));
const text = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

async function token({ alg, kid, head, claims }) {
  const signer = keys.find((key) => key.alg === alg) ?? keys[0];
  const header = { alg, kid: kid ?? signer.kid, typ: "at+jwt", ...head };
  if (alg === "none") return `${text(header)}.${text(claims)}.`;
  if (alg === "HS256") {
    // The public key, as whoever confuses the two would take it for the secret.
    const secret = createPublicKey({ key: signer, format: "jwk" }).export({ type: "spki", format: "pem" });
    const message = `${text(header)}.${text(claims)}`;
    return `${message}.${createHmac("sha256", secret).update(message).digest("base64url")}`;
  }
  const key = await importJWK(signer, alg);
  return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(header).sign(key);
}

for (const line of readFileSync(0, "utf8").trim().split("\n")) console.log(await token(JSON.parse(line)));
