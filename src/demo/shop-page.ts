/** The shop's page and its style, without a script or a style of its own: those come from the same place, by the CSP. */

const products = [
  ['Green tea', 'Loose leaves, 100 g'],
  ['Rye bread', 'Baked this morning'],
  ['Honey', 'From the roof of the town hall'],
  ['Notebook', 'Squared paper, thread-bound'],
] as const;

const faults = [
  ['crash', 'Crash', 'Its process is killed: kill -9.'],
  ['freeze', 'Freeze', 'Its process is stopped and says nothing any more: kill -STOP.'],
  ['fill', 'Fill all workers', 'Every worker is busy for four seconds.'],
  ['junk', 'Answer junk', 'It answers with bytes that are no HTTP.'],
  ['move', 'Start on another port', 'It leaves its port and listens on another.'],
] as const;

export const shopPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The corner shop</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/shop.css">
<script src="/shop.js" type="module"></script>
</head>
<body>
<header>
<h1>The corner shop</h1>
<p id="stock" class="quiet">A small shop behind goodgateway</p>
</header>
<main>
<section aria-labelledby="break">
<h2 id="break">Break the shop</h2>
<p>Press a button, then go on shopping, or reload this page. You should never see a browser error.</p>
<p id="status" role="status" aria-live="polite">The shop is open.</p>
<p id="waiting" class="quiet" aria-hidden="true"></p>
<ul class="faults">
${faults.map(([name, label, text]) => `<li><button data-fault="${name}" aria-describedby="about-${name}">${label}</button> <span id="about-${name}" class="quiet">${text}</span></li>`).join('\n')}
</ul>
<noscript><p>The buttons need JavaScript; reloading this page while the shop is down works without.</p></noscript>
<h3>What happened</h3>
<ol id="story" class="quiet" reversed></ol>
</section>
<section aria-labelledby="products">
<h2 id="products">Today</h2>
<ul class="cards">
${products.map(([name, text]) => `<li><h3>${name}</h3><p class="quiet">${text}</p><button data-add="${name}" aria-label="Put ${name} into the basket">Into the basket</button></li>`).join('\n')}
</ul>
</section>
<section aria-labelledby="basket">
<h2 id="basket">Your basket</h2>
<p id="basket-content">Empty.</p>
<button id="order" disabled>Order</button>
<p id="order-status" role="status"></p>
</section>
</main>
</body>
</html>
`;

export const shopStyle = `
:root { color-scheme: light dark; --ink: #1d2430; --quiet: #525c6b; --ground: #f6f7f9; --card: #fff; --line: #d5dae1; --accent: #0b5d4e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --quiet: #a3adba; --ground: #14181f; --card: #1c222b; --line: #37404d; --accent: #6fd3bd; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 54rem; padding: 1.5rem 1rem 4rem; font: 1.0625rem/1.55 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1.25rem; }
h3 { margin: 0; font-size: 1.05rem; }
p { margin: .35rem 0 .75rem; }
ul, ol { margin: 0; padding: 0; list-style: none; }
ol { padding-left: 1.75rem; list-style: decimal; }
.quiet { color: var(--quiet); font-size: .95rem; }
.cards { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr)); }
.cards li { padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }
.faults li { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; margin: 0 0 .5rem; }
button { min-height: 2.75rem; padding: .5rem 1rem; font: inherit; color: var(--ink); background: transparent; border: 1px solid var(--accent); border-radius: .375rem; cursor: pointer; }
button:hover:not(:disabled) { background: color-mix(in srgb, var(--accent) 12%, transparent); }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
button:disabled { cursor: default; opacity: .6; }
#status { min-height: 3.2em; padding: .75rem 1rem; border-left: 4px solid var(--accent); background: var(--card); }
#waiting { min-height: 1.6em; font-variant-numeric: tabular-nums; }
`;
