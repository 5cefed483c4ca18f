/**
 * What the page does, as the text of /shop.js: nothing but fetch and a clock. It says only what it has seen itself, and
 * quotes goodgateway for the rest.
 */
export const shopScript = String.raw`
const idleMs = 2000;
const patienceMs = 60000;
const mostStories = 10;
/** Who waits longer than this wonders why. */
const soonMs = 700;
/** What a gate says of itself when a connect worked, and how long the healer may take for a better word. */
const gatesOwnWord = 'it accepts connections again';
const healersWordMs = 3000;
/** A browser opens six connections to a place, and two are needed for the story. */
const mostCompany = 4;
const did = {
  crash: 'You crashed the shop',
  freeze: 'You froze the shop',
  fill: 'You filled all workers of the shop',
  junk: 'You made the shop answer junk',
  move: 'You moved the shop to another port',
};
const at = (id) => document.getElementById(id);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (ms) => (ms < 9950 ? (ms / 1000).toFixed(1) : Math.round(ms / 1000)) + ' s';
const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');

/** One request, as the visitor sees it: who answered, what, and how long it took. Never throws. */
async function ask(path, options) {
  const began = performance.now();
  const took = () => performance.now() - began;
  try {
    const response = await fetch(path, { cache: 'no-store', headers: { Accept: 'application/json' }, signal: AbortSignal.timeout(patienceMs), ...options });
    const value = await response.json().catch(() => ({}));
    const from = response.ok ? 'shop' : response.headers.has('Proxy-Status') ? 'gateway' : 'somebody';
    return { from, status: response.status, value, tookMs: took() };
  } catch (error) {
    return { from: 'nobody', status: 0, value: {}, tookMs: took(), why: error.name === 'TimeoutError' ? 'no answer within a minute' : 'the connection broke' };
  }
}

/** An answer that is not the shop's, in plain words. */
function inPlainWords(answer) {
  if (answer.from === 'nobody') return 'There was no answer after ' + seconds(answer.tookMs) + ' (' + answer.why + ').';
  if (answer.from === 'somebody') return 'After ' + seconds(answer.tookMs) + ' the answer was ' + answer.status + ', and not from goodgateway.';
  const said = answer.value.detail || answer.value.error;
  return 'After ' + seconds(answer.tookMs) + ' goodgateway answered for the shop (' + answer.status + ')' + (said ? ': ' + said : '.');
}

let story = 0;
let busy = false;
/** Until then, as far as this page knows, every worker of the shop is taken. */
let filledUntilMs = 0;
/** Where two stories overlap, only the newest speaks. */
function say(text) {
  if (at('status').textContent !== text) at('status').textContent = text;
}

/** One press: its own line in the list, and the status as long as nothing newer was pressed. */
function tell(label) {
  const mine = ++story;
  const line = document.createElement('li');
  at('story').prepend(line);
  while (at('story').children.length > mostStories) at('story').lastElementChild.remove();
  const isOver = () => mine !== story;
  const tells = (text) => {
    line.textContent = text;
    if (!isOver()) say(text);
  };
  tells('Pressing "' + label + '" …');
  return { isOver, tells };
}

async function breakIt(fault, label) {
  const { isOver, tells } = tell(label);
  busy = true;
  const pressed = await press(fault, label, tells);
  if (pressed.status !== 202) {
    if (!isOver()) busy = false;
    return tells('The shop did not get your press of "' + label + '" at ' + clock(Date.now()) + '. ' + inPlainWords(pressed) + ' Try again in a moment.');
  }
  const began = performance.now();
  const what = did[fault] + ' at ' + clock(pressed.value.at) + '. ';
  const overtaken = what + 'You pressed another button before the shop had answered again.';
  if (isOver()) return tells(overtaken);
  tells(what + 'Asking the shop …');
  // With this page's own request as many as there are workers: so a gateway sees a full house, not one slow visitor.
  const company = fault === 'fill' ? pressed.value.workers - 1 : 0;
  for (let i = 0; i < Math.min(company, mostCompany); i++) void ask('/api/stock');
  const answered = await askUntilTheShopAnswers({ fault, pressed: pressed.value, began, isOver, say: (text) => tells(what + text) });
  if (isOver()) return tells(answered ? what + answered : overtaken);
  busy = false;
  tells(what + answered);
  const quoted = await quoteGoodgateway(pressed.value.at, isOver);
  if (quoted) tells(what + answered + ' ' + quoted);
}

/** A press is a request like any other, and waits like one: then it says so. */
async function press(fault, label, tells) {
  const began = performance.now();
  const stopClock = showWaiting(began, () => {
    const why = Date.now() < filledUntilMs ? 'All workers of the shop are busy, so your press of "' + label + '" waits for a free one' : 'The shop has not answered yet, so your press of "' + label + '" waits';
    tells(why + ', as any request does …');
  });
  const pressed = await ask('/fault/' + fault, { method: 'POST' });
  stopClock();
  if (pressed.status === 202) filledUntilMs = fault === 'fill' ? pressed.value.at + pressed.value.fill_ms : 0;
  return pressed;
}

async function askUntilTheShopAnswers({ fault, pressed, began, isOver, say }) {
  const stopClock = showWaiting(began);
  try {
    for (let failed = 0; ; failed++) {
      const answer = await ask('/api/stock');
      if (answer.from === 'shop') {
        showStock(answer.value);
        if (failed === 0) return firstAnswer(fault, pressed, answer);
        return 'The shop itself answered again after ' + seconds(performance.now() - began) + '; ' + (failed === 1 ? 'one request was' : failed + ' requests were') + ' not answered by it before.';
      }
      if (isOver()) return '';
      say(inPlainWords(answer) + ' Asking again …');
      await pause(Math.min(2000, 1000 * (Number(answer.value.retry_after) || 1)));
      if (isOver()) return '';
    }
  } finally {
    stopClock();
  }
}

/** The same process after a full house: nobody restarted it. That is seen, not believed. */
function firstAnswer(fault, pressed, answer) {
  const waited = 'Your next request waited ' + seconds(answer.tookMs);
  if (fault !== 'fill') return waited + ' and was answered.';
  if (answer.value.pid !== pressed.pid) return waited + ' and was answered, by another process than before: the shop was started anew meanwhile.';
  return 'All workers were busy. ' + waited + ' for a free one and was answered; nothing was restarted (it still is process ' + pressed.pid + '), because busy is not broken.';
}

/** Waits a while for goodgateway's own account of what it did since then. Nothing, when it had nothing to do. */
async function quoteGoodgateway(sinceMs, isOver) {
  let foundMs;
  for (let left = 25; left > 0 && !isOver(); left--) {
    const { value } = await ask('/healing');
    const state = (value.gateways || {}).shop;
    const recovery = state && state.last_recovery;
    if (recovery && Date.parse(recovery.at) >= sinceMs) {
      foundMs ??= performance.now();
      // A connect opened the gate; who repaired the shop, and why, is the healer's word, and comes a moment later.
      if (recovery.say !== gatesOwnWord || performance.now() - foundMs > healersWordMs) return quote(recovery);
    } else if (!state || (!state.incident && left < 20)) return '';
    await pause(300);
  }
  return '';
}

function quote({ say, incident }) {
  const sentence = say.charAt(0).toUpperCase() + say.slice(1) + (/[.!?…]$/.test(say) ? '' : '.');
  return 'goodgateway says: ' + sentence + (incident ? ' The whole story: goodgateway why ' + incident : '');
}

let stopOtherClock = () => undefined;
/** Counts the time that is waited, for eyes only: a voice that reads every tenth of a second helps nobody. One at a time. */
function showWaiting(began, isLong = () => undefined) {
  stopOtherClock();
  const timer = setInterval(() => {
    at('waiting').textContent = 'waiting ' + seconds(performance.now() - began);
  }, 100);
  const soon = setTimeout(isLong, soonMs);
  const stopCounting = () => {
    clearInterval(timer);
    at('waiting').textContent = '';
  };
  stopOtherClock = stopCounting;
  return () => {
    clearTimeout(soon);
    if (stopOtherClock === stopCounting) stopCounting();
  };
}

function showStock(value) {
  at('stock').textContent = value.stock + ' parcels left today, ' + value.orders + ' ordered. Process ' + value.pid + '.';
}

const basket = [];
function showBasket() {
  at('basket-content').textContent = basket.length === 0 ? 'Empty.' : basket.join(', ') + '.';
  at('order').disabled = basket.length === 0;
}

/** An order keeps its number when it is sent again, and the shop executes a number once: so sending again is safe. */
async function order() {
  const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const began = performance.now();
  at('order').disabled = true;
  for (let sent = 1; sent <= 10; sent++) {
    at('order-status').textContent = 'Sending order ' + id + ' …';
    const answer = await ask('/api/order', { method: 'POST', headers: { 'Content-Type': 'application/json', Accept: 'application/json' }, body: JSON.stringify({ id }) });
    if (answer.from === 'shop') {
      basket.length = 0;
      showBasket();
      at('order-status').textContent = 'Order ' + id + ' was taken, once, after ' + seconds(performance.now() - began) + (sent > 1 ? '; it was sent ' + sent + ' times.' : '.');
      return;
    }
    at('order-status').textContent = inPlainWords(answer) + ' Sending the same order again …';
    await pause(1000);
  }
  at('order-status').textContent = 'Order ' + id + ' could not be sent. Please try again later.';
  showBasket();
}

async function askNowAndThen() {
  for (let trouble = false; ; ) {
    if (!busy) {
      const [mine, answer] = [story, await ask('/api/stock')];
      const isMine = !busy && mine === story;
      if (answer.from === 'shop') showStock(answer.value);
      if (isMine && answer.from !== 'shop') say(inPlainWords(answer) + ' Asking again …');
      if (isMine && answer.from === 'shop' && trouble) say('The shop answers again.');
      trouble = isMine && answer.from !== 'shop';
    }
    await pause(idleMs);
  }
}

for (const button of document.querySelectorAll('[data-fault]')) button.addEventListener('click', () => void breakIt(button.dataset.fault, button.textContent));
for (const button of document.querySelectorAll('[data-add]')) {
  button.addEventListener('click', () => {
    if (basket.length < 20) basket.push(button.dataset.add);
    showBasket();
  });
}
at('order').addEventListener('click', () => void order());
void askNowAndThen();
`;
