/** What an element is made of: text, nodes, or nothing. */
export type Child = Node | string | number | null | undefined | false | readonly Child[];
type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'path', 'line', 'rect', 'circle', 'g', 'text', 'polyline', 'title']);

function append(parent: Node, child: Child): void {
  if (child === null || child === undefined || child === false) return;
  if (Array.isArray(child)) for (const one of child) append(parent, one);
  else parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
}

/** Makes an element. Text is always text: nothing that comes from outside is ever read as HTML. */
export function h(tag: string, attributes: Attributes = {}, ...children: readonly Child[]): Element {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

/** State that belongs to the person, not to the data: an update must not close what they opened. */
const KEEP = new Set(['open']);

function morphAttributes(from: Element, to: Element): void {
  for (const { name, value } of [...to.attributes])
    if (from.getAttribute(name) !== value && !KEEP.has(name)) from.setAttribute(name, value);
  for (const { name } of [...from.attributes])
    if (!to.hasAttribute(name) && !KEEP.has(name)) from.removeAttribute(name);
}

const same = (a: Node, b: Node): boolean =>
  a.nodeType === b.nodeType &&
  a.nodeName === b.nodeName &&
  (!(a instanceof Element) ||
    !(b instanceof Element) ||
    a.getAttribute('data-key') === b.getAttribute('data-key'));

function morphNode(from: Node, to: Node): void {
  if (from instanceof Element && to instanceof Element) {
    morphAttributes(from, to);
    morphChildren(from, [...to.childNodes]);
  } else if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
}

function morphChildren(parent: Node, wanted: readonly Node[]): void {
  const keyed = new Map<string, Element>();
  for (const child of parent.childNodes) {
    const key = child instanceof Element ? child.getAttribute('data-key') : null;
    if (key !== null) keyed.set(key, child as Element);
  }
  wanted.forEach((next, index) => {
    let present = parent.childNodes[index];
    const key = next instanceof Element ? next.getAttribute('data-key') : null;
    const known = key === null ? undefined : keyed.get(key);
    if (known !== undefined && known !== present) {
      parent.insertBefore(known, present ?? null);
      present = known;
    }
    if (present === undefined) parent.appendChild(next);
    else if (same(present, next)) morphNode(present, next);
    else parent.replaceChild(next, present);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild?.remove();
}

/** Makes `parent` hold `children` with the fewest changes: focus, scroll and open parts stay as they are. */
export function render(parent: Element, ...children: readonly Child[]): void {
  const holder = document.createDocumentFragment();
  append(holder, children);
  morphChildren(parent, [...holder.childNodes]);
}
