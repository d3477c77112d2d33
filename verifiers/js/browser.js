// The page's own script: a policy without 'unsafe-inline' allows no other.
import { readPublicKey, Trust, verify } from "./dist/index.js";

const form = document.querySelector("form");
const place = document.querySelector("#verdict");

async function check(files) {
  const bytes = async (file) => new Uint8Array(await file.arrayBuffer());
  const verdict = await verify(files.evidence.stream().pipeThrough(progress(files.evidence.size)), {
    pinned: files.key && readPublicKey(await files.key.text()),
    trust: files.trust && (await Trust.parse(await bytes(files.trust))),
    checkpoints: files.checkpoint ? [await bytes(files.checkpoint)] : [],
  });
  const failed = verdict.checks.find((row) => row.outcome === "fail");
  return [
    failed ? `INVALID: ${failed.code} at seq ${failed.seq}` : "valid",
    `${verdict.receipts} receipts`,
    ...verdict.checks.map((row) => `  ${row.check.padEnd(10)} ${row.outcome}`),
    ...verdict.not_proven.map((line) => `not proven: ${line}`),
  ].join("\n");
}

function progress(size) {
  let done = 0;
  return new TransformStream({
    transform(chunk, controller) {
      done += chunk.length;
      place.textContent = `checking, ${Math.floor((100 * done) / size)} %`;
      controller.enqueue(chunk);
    },
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const files = Object.fromEntries(
    [...form.elements].filter((one) => one.files?.length).map((one) => [one.name, one.files[0]]),
  );
  place.hidden = false;
  place.textContent = "checking";
  try {
    place.textContent = await check(files);
  } catch (error) {
    place.textContent = `cannot read: ${error.message}`;
  }
});
