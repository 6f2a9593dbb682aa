// xterm.js writes `<style>` elements and `style` attributes, which `default-src 'self'` forbids for good reasons. What it
// asks for is therefore replaced by what the policy allows, constructed style sheets and CSSOM, so that the policy stays as strict
// for the rest of the page. `documentOverride` is a public option of xterm.js.

/** An element that stands for a `<style>`: its text becomes a constructed style sheet, which leaves with the element. */
function sheetElement(): HTMLElement {
  const sheet = new CSSStyleSheet();
  const element = document.createElement('span');
  element.hidden = true;
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, 'textContent', { set: (text: string) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

function createElement(name: string): HTMLElement {
  return name === 'style' ? sheetElement() : document.createElement(name);
}

// The colours of single letters are set as an attribute, on spans that are made past the option above. The same text by way of
// CSSOM is allowed, and means the same to whoever else sets it.
HTMLSpanElement.prototype.setAttribute = function setAttribute(name: string, value: string): void {
  if (name === 'style') this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
};

/** The document as xterm.js may use it under our content security policy. */
export function lawfulDocument(): Document {
  return new Proxy(document, {
    get(target, key) {
      if (key === 'createElement') return createElement;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value as (...all: unknown[]) => unknown).bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
}
