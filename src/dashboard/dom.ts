/**
 * Makes and changes elements. Everything that is shown becomes a text node or an attribute, never markup: records carry
 * what visitors and log lines wrote.
 */
export type Child = Node | string | null | undefined | false | readonly Child[];
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An element of HTML. An attribute that is `false` or `undefined` is left out, one that is `true` has no value. */
export function el<K extends keyof HTMLElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: readonly Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/** An element of SVG. */
export function svg<K extends keyof SVGElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: readonly Child[]): SVGElementTagNameMap[K] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/** Touches only what is different, so that nothing is read aloud or laid out anew for nothing. */
export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? '' : String(value));
  }
}

/** Touches it only when it is different. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Puts the children in place of those that are there. */
export function fill(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren();
  append(element, children);
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children.flat(5)) {
    if (child instanceof Node) element.append(child);
    else if (typeof child === 'string') element.append(child);
  }
}

export interface Keyed<T, E extends Element> {
  key(item: T): string;
  make(item: T): E;
  update?(element: E, item: T): void;
}

/** Keeps a list's elements in step with the items: what stays keeps its element, and so its focus and what was opened in it. */
export function keepList<T, E extends Element>(parent: Element, { key, make, update }: Keyed<T, E>): (items: readonly T[]) => void {
  let present = new Map<string, E>();
  return (items) => {
    const next = new Map<string, E>();
    items.forEach((item, index) => {
      const element = present.get(key(item)) ?? make(item);
      update?.(element, item);
      next.set(key(item), element);
      if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
    });
    for (const [name, element] of present) if (!next.has(name)) element.remove();
    present = next;
  };
}
