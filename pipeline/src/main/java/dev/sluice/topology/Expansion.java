// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * How much longer a text may become when its substitutions are put in, before that is done: thirty lines that each name the
 * one before twice are a text of a thousand million, and Typesafe Config would try. An upper bound, taken from the names
 * alone. Included files are looked at behind the text that includes them, so that what stands around an include is not seen.
 */
final class Expansion {

    /** Characters after which a file is no topology any more: a thousand times the largest that anybody wrote. */
    private static final double MOST = 1 << 26;

    private static final Pattern REFERENCE = Pattern.compile("\\$\\{\\??([^}\\n]*)}");
    private static final Pattern TOKEN =
            Pattern.compile("\"\"\"(?:[^\"]|\"(?!\"\"))*+\"\"\"|\"(?:\\\\.|[^\"\\\\\\n])*+\"" + "|(?:#|//)[^\\n]*+|"
                    + REFERENCE.pattern() + "|[{}\\[\\],\\n=:]");

    private final String text;
    private final Set<String> referenced;

    /** Whether any reference may be in what is put in again. */
    private final boolean anywhere;

    /** Whether something is included inside a section or a list. */
    private boolean includesInside;

    /** The keys around the place that is looked at, from the inside out. */
    private final Deque<String> around = new ArrayDeque<>();

    /** By name: how often it is put in where it is put in again itself. */
    private final Map<String, Integer> counts = new HashMap<>();

    private String key = "";
    private int ownReferences;
    private double growth = 1;

    private Expansion(String text, boolean anywhere) {
        this.text = text;
        this.anywhere = anywhere;
        referenced = REFERENCE
                .matcher(text)
                .results()
                .map(reference -> last(reference.group(1)))
                .collect(Collectors.toCollection(HashSet::new));
    }

    /** The line from which on the text may become too long, from 1; or 0 if it does not. */
    static int tooLongFrom(String text) {
        if (!text.contains("${")) {
            return 0;
        }
        Expansion seen = new Expansion(text, false);
        int line = seen.line();
        return line == 0 && seen.includesInside ? new Expansion(text, true).line() : line;
    }

    private int line() {
        int line = 1;
        int wordStart = 0;
        Matcher token = TOKEN.matcher(text);
        while (token.find()) {
            String found = token.group();
            if (token.group(1) != null) {
                reference(last(token.group(1)));
                if (growth * text.length() > MOST) {
                    return line;
                }
            } else if (found.length() == 1 && "{}[],\n=:".contains(found)) {
                String word = text.substring(wordStart, token.start()).strip();
                includesInside |= !around.isEmpty() && word.startsWith("include");
                separator(found.charAt(0), last(word));
                wordStart = token.end();
            }
            line += (int) found.chars().filter(c -> c == '\n').count();
        }
        return 0;
    }

    private void separator(char what, String word) {
        switch (what) {
            case '=', ':' -> define(word);
            case '{', '[' -> {
                if (!word.isEmpty()) {
                    define(word);
                }
                around.push(key);
            }
            case '}', ']' -> key = around.isEmpty() ? "" : around.pop();
            default -> key = around.isEmpty() ? "" : around.peek();
        }
    }

    private void define(String name) {
        key = name;
        ownReferences = 0;
    }

    private void reference(String name) {
        if (name.equals(key)) {
            ownReferences++; // of what the key held before, which is as long as all before it made it
            growth *= ownReferences / Math.max(1.0, ownReferences - 1);
        } else if (anywhere || referenced.contains(key) || around.stream().anyMatch(referenced::contains)) {
            int count = counts.merge(name, 1, Integer::sum);
            growth *= count / Math.max(1.0, count - 1);
        }
    }

    /** Of a path, the name that a key would have, too. */
    private static String last(String path) {
        String name = path.substring(path.lastIndexOf('.') + 1).strip();
        name = name.endsWith("+") ? name.substring(0, name.length() - 1).strip() : name;
        return name.length() > 1 && name.startsWith("\"") ? name.substring(1, name.length() - 1) : name;
    }
}
