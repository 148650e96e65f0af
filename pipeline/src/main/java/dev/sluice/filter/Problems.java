// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import com.typesafe.config.ConfigOrigin;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** What is wrong with a configuration, collected until all of it has been read. */
public final class Problems {

    private final List<Problem> found = new ArrayList<>();

    /**
     * One thing to mend.
     *
     * @param file the configuration file, as the user named it
     * @param line from 1; 0 if the problem is that something is missing from the whole file
     * @param text what is wrong and what to write instead, one sentence
     */
    public record Problem(String file, int line, String text) {
        @Override
        public String toString() {
            return line > 0 ? file + ":" + line + ": " + text : file + ": " + text;
        }
    }

    public void add(ConfigOrigin where, String text) {
        String file = where.filename() != null
                ? where.filename()
                : where.resource() != null
                        ? where.resource()
                        : where.withLineNumber(-1).description(); // which would have the line in it
        found.add(new Problem(file, Math.max(0, where.lineNumber()), text));
    }

    /** In the order of the file. */
    public List<Problem> sorted() {
        return found.stream()
                .distinct()
                .sorted((a, b) -> Integer.compare(a.line(), b.line()))
                .toList();
    }

    public boolean isEmpty() {
        return found.isEmpty();
    }

    /** " (did you mean …?)" for the candidate nearest to a misspelt word, or nothing where none is near. */
    public static String suggestion(String word, Collection<String> candidates) {
        String best = "";
        int bestDistance = Math.min(word.length(), Math.max(2, word.length() / 3) + 1);
        for (String candidate : candidates) {
            int distance = distance(word, candidate);
            if (distance < bestDistance) {
                bestDistance = distance;
                best = candidate;
            }
        }
        return best.isEmpty() ? "" : " (did you mean \"" + best + "\"?)";
    }

    /** Levenshtein distance: insertions, deletions and replacements of a character. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
