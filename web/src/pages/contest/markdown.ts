// What authors write, shown. HTML in it stays text, and links lead where they say, in a tab of their own.
import MarkdownIt from 'markdown-it';

const reader = new MarkdownIt({ html: false, linkify: true });
reader.disable('image');
reader.renderer.rules.link_open = (tokens, index, options, _env, self) => {
  tokens[index]?.attrSet('target', '_blank');
  tokens[index]?.attrSet('rel', 'noopener noreferrer nofollow');
  return self.renderToken(tokens, index, options);
};

export const shown = (text: string): string => reader.render(text);
