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

/** The value of a custom property of the tab's style. */
export const property = (from: Element, name: string): string => getComputedStyle(from).getPropertyValue(name).trim();
