// Search and "try it". Every page reads without this file.
const token = document.querySelector('#token');
if (token) {
  token.value = sessionStorage.getItem('token') ?? '';
  token.addEventListener('input', () => sessionStorage.setItem('token', token.value));
}

// On a phone the pages come first and their list on request; without this file the list is simply open.
const menu = document.querySelector('.menu');
if (menu && matchMedia('(max-width: 50rem)').matches) menu.open = false;

const search = document.querySelector('#search');
const results = document.querySelector('#results');
let entries;
search?.closest('form').addEventListener('submit', (event) => event.preventDefault());
search?.addEventListener('input', async () => {
  entries ??= await fetch('/docs/search.json').then((answer) => answer.json());
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length
    ? entries
        .map((entry) => {
          const title = entry.title.toLowerCase();
          const text = `${title} ${entry.text.toLowerCase()}`;
          const hit = words.every((word) => text.includes(word));
          return { entry, rank: hit ? 1 + words.filter((word) => title.includes(word)).length : 0 };
        })
        .filter(({ rank }) => rank > 0)
        .sort((a, b) => b.rank - a.rank)
        .slice(0, 12)
    : [];
  results.replaceChildren(
    ...found.map(({ entry }) => {
      const item = document.createElement('li');
      const link = document.createElement('a');
      link.href = entry.url;
      link.textContent = entry.title;
      item.append(link);
      return item;
    }),
  );
  results.hidden = found.length === 0;
  document.querySelector('#found').textContent =
    words.length === 0 ? '' : found.length === 0 ? 'Nothing found' : `${found.length} found`;
});

search?.closest('form').addEventListener('keydown', (event) => {
  const links = [...results.querySelectorAll('a')];
  const at = links.indexOf(document.activeElement);
  if (event.key === 'Escape') {
    results.hidden = true;
    search.focus();
  } else if (event.key === 'ArrowDown' && links.length > 0) {
    event.preventDefault();
    links[Math.min(at + 1, links.length - 1)].focus();
  } else if (event.key === 'ArrowUp' && at >= 0) {
    event.preventDefault();
    (links[at - 1] ?? search).focus();
  }
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || /^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName ?? '')) return;
  event.preventDefault();
  search?.focus();
});

for (const form of document.querySelectorAll('.try form')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    let path = form.dataset.path;
    const query = new URLSearchParams();
    const headers = { accept: 'application/json' };
    for (const input of form.querySelectorAll('input')) {
      if (input.value === '') continue;
      if (input.dataset.in === 'path')
        path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
      else if (input.dataset.in === 'query') query.set(input.name, input.value);
      else headers[input.name] = input.value;
    }
    const method = form.dataset.method.toUpperCase();
    if (token?.value) headers.authorization = `Bearer ${token.value}`;
    if (method === 'POST' && !headers['idempotency-key']) headers['idempotency-key'] = crypto.randomUUID();
    const body = form.querySelector('textarea')?.value;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const output = form.querySelector('pre');
    output.hidden = false;
    try {
      const answer = await fetch(query.size ? `${path}?${query}` : path, { method, headers, body });
      const text = await answer.text();
      const shown =
        (answer.headers.get('content-type') ?? '').includes('json') && text
          ? JSON.stringify(JSON.parse(text), null, 2)
          : text;
      output.textContent = `${answer.status} ${answer.statusText}\n\n${shown}`;
    } catch (error) {
      output.textContent = `No answer: ${error.message}`;
    }
  });
}
