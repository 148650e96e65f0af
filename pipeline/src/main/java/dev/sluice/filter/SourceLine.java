// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import com.typesafe.config.ConfigUtil;
import java.util.Arrays;
import java.util.List;

/**
 * One line of a configuration, in which the words are found again that Typesafe Config knows only the line of. It is read
 * as HOCON for that: what stands in a comment or inside a longer text is not the word. All places are columns, from 1.
 */
record SourceLine(String text) {

    private static final String PUNCTUATION = "{}[],:=+.";

    /** From one character to before another. */
    private record Token(int start, int end) {}

    /** Typesafe Config counts line feeds, nothing else. */
    static List<SourceLine> all(String text) {
        return Arrays.stream(text.split("\n", -1)).map(SourceLine::new).toList();
    }

    /** The first character that is not blank. */
    int start() {
        return column(Math.min(skipBlanks(0), text.stripTrailing().length()));
    }

    /** A word: where it is a key, or else where it stands first, or else the start. */
    int word(String word) {
        Token found = find(word, 0, true);
        found = found.end > 0 ? found : find(word, 0, false);
        return found.end > 0 ? column(found.start) : start();
    }

    /** The last of the keys, behind the others as far as they are on this line. */
    int key(List<String> keys) {
        Token key = last(keys);
        return key.end > 0 ? column(key.start) : start();
    }

    /** A value behind the last of the keys, or else where the value of that key begins. */
    int value(List<String> keys, String value) {
        Token key = last(keys);
        int from = key.end;
        Token found = find(value, from, false);
        if (found.end > 0) {
            return column(found.start);
        }
        if (key.end == 0) {
            return start();
        }
        while (from < text.length() && (isBlank(from) || "+=:".indexOf(text.charAt(from)) >= 0)) {
            from++;
        }
        return column(from == text.length() || isComment(from) ? key.start : from);
    }

    private Token last(List<String> keys) {
        int from = 0;
        Token found = new Token(0, 0);
        for (String key : keys) {
            found = find(key, from, true);
            from = Math.max(from, found.end);
        }
        return found.end > 0 ? found : find(keys.getLast(), 0, true);
    }

    /** The first occurrence of a word as a whole; one that ends at 0 if there is none. */
    private Token find(String word, int from, boolean asKey) {
        int at = skipBlanks(from);
        while (at < text.length() && !isComment(at)) {
            int end = tokenEnd(at);
            int matched = matchEnd(word, at, end);
            if (matched > 0 && (!asKey || isBeforeValue(matched))) {
                return new Token(at, matched);
            }
            at = skipBlanks(end);
        }
        return new Token(0, 0);
    }

    private int tokenEnd(int start) {
        if (text.startsWith("\"\"\"", start)) {
            int close = text.indexOf("\"\"\"", start + 3);
            return close < 0 ? text.length() : close + 3;
        }
        int at = start + 1;
        if (text.charAt(start) == '"') {
            while (at < text.length() && text.charAt(at) != '"') {
                at += text.charAt(at) == '\\' ? 2 : 1;
            }
            return Math.min(at + 1, text.length());
        }
        while (at < text.length() && !isBoundary(start) && !isBoundary(at)) {
            at++;
        }
        return at;
    }

    /** The end of a word that begins where a token does, or 0. A bare value may go on over blanks and dots. */
    private int matchEnd(String word, int start, int tokenEnd) {
        if (text.charAt(start) == '"') {
            String token = text.substring(start, tokenEnd);
            boolean same = token.equals(ConfigUtil.quoteString(word))
                    || token.equals("\"" + word + "\"")
                    || token.equals("\"\"\"" + word + "\"\"\"");
            return same ? tokenEnd : 0;
        }
        int end = start + word.length();
        boolean whole = end >= text.length() || isBoundary(end) || (end > 0 && isBoundary(end - 1));
        return !word.isEmpty() && text.startsWith(word, start) && whole ? end : 0;
    }

    /** Whether what ends here is a key, or the beginning of one with dots. */
    private boolean isBeforeValue(int end) {
        int at = skipBlanks(end);
        return at < text.length() && "=:{.+".indexOf(text.charAt(at)) >= 0;
    }

    private boolean isBoundary(int at) {
        return isBlank(at) || isComment(at) || text.charAt(at) == '"' || PUNCTUATION.indexOf(text.charAt(at)) >= 0;
    }

    private boolean isComment(int at) {
        return text.charAt(at) == '#' || text.startsWith("//", at);
    }

    private boolean isBlank(int at) {
        return Character.isWhitespace(text.charAt(at)) || Character.isSpaceChar(text.charAt(at));
    }

    private int skipBlanks(int from) {
        int at = from;
        while (at < text.length() && isBlank(at)) {
            at++;
        }
        return at;
    }

    private int column(int at) {
        return text.codePointCount(0, at) + 1;
    }
}
