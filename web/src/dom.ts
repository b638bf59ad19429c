// Elements. All texts are set as text, never as markup, because names come from the load and from AWS.

export const element = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className = "",
  text = "",
): HTMLElementTagNameMap[Name] => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
};

/** The custom properties of the tab's style. Reading one after a change of the page is slow, so they are kept. */
export class Style {
  private readonly known = new Map<string, string>();

  get(name: string, from: Element): string {
    let value = this.known.get(name);
    if (value === undefined) {
      value = getComputedStyle(from).getPropertyValue(name).trim();
      // An element outside the page has no style yet.
      if (value) this.known.set(name, value);
    }
    return value;
  }

  /** Reads them again: the theme has changed. */
  reset(): void {
    this.known.clear();
  }
}
