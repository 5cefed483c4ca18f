import { chromium, type Browser, type Page } from 'playwright-core';
import { programPath } from './skip.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';

/** Debian's Chromium, headless, with nothing that calls home. Ask `missing('chromium')` first. */
export async function startBrowser(t: TestScope): Promise<Browser> {
  const folder = tempFolder(t, 'gg-browser');
  const browser = await chromium.launch({
    executablePath: programPath('chromium'),
    env: { ...process.env, HOME: folder, TMPDIR: folder },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  t.teardown(() => browser.close());
  return browser;
}

/** Messages of the page that a visitor's console would show in red: errors of scripts, of the CSP, of requests. */
export function complaints(page: Page): readonly string[] {
  const found: string[] = [];
  page.on('pageerror', (error) => found.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') found.push(message.text());
  });
  return found;
}

/** How many different colours a picture has: a blank page has one, and a page of text many, because letters have soft edges. */
export function coloursOf(page: Page, png: Buffer): Promise<number> {
  return page.evaluate<number>(`(async () => {
    const bytes = Uint8Array.from(atob('${png.toString('base64')}'), (letter) => letter.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
    canvas.drawImage(picture, 0, 0);
    return new Set(new Uint32Array(canvas.getImageData(0, 0, picture.width, picture.height).data.buffer)).size;
  })()`);
}
