// What pages make elements with.

export const byId = (id) => document.getElementById(id);

export function create(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}
