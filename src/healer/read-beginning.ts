/** The first so many bytes of a body, or what came of them: whose time was over, or which broke off, has said the rest in its head. Never rejects. */
export async function readBeginning(body: AsyncIterable<Buffer>, mostBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= mostBytes) break;
    }
  } catch {
    // what came is what there is
  }
  return Buffer.concat(chunks).subarray(0, mostBytes);
}
