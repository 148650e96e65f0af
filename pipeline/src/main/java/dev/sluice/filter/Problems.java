// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import com.typesafe.config.ConfigOrigin;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToIntFunction;
import java.util.regex.Pattern;

/**
 * What is wrong with a configuration, collected until all of it has been read. Typesafe Config knows the lines of what it
 * read; the columns are looked up in the text.
 */
public final class Problems {

    private static final int MOST_CHARACTERS = 2000;
    private static final Pattern UNPRINTABLE = Pattern.compile("[\\p{Cntrl}\\p{Cs}\\x{2028}\\x{2029}]");

    private final List<Problem> found = new ArrayList<>();

    /** By name of the file, its lines; empty if it cannot be read. */
    private final Map<String, List<SourceLine>> sources = new HashMap<>();

    /**
     * One thing to mend.
     *
     * @param file the configuration file, as the user named it
     * @param line from 1; 0 if the problem is that something is missing from the whole file
     * @param column from 1, in characters; 0 if there is no line, or no text of it
     * @param text what is wrong and what to write instead, one sentence
     */
    public record Problem(String file, int line, int column, String text) {
        @Override
        public String toString() {
            return place() + ": " + text;
        }

        /** With a word in front of the text that says what it is instead. */
        public String as(String word) {
            return place() + ": " + word + ": " + text;
        }

        private String place() {
            return line <= 0 ? file : column <= 0 ? file + ":" + line : file + ":" + line + ":" + column;
        }
    }

    /** The text of a configuration that is in no file, for the columns in it; {@code name} is what its origins call it. */
    public void source(String name, String text) {
        sources.put(name, SourceLine.all(text));
    }

    /** A problem with a line, or with a whole file: its column is that of the first character that is not blank. */
    public void add(ConfigOrigin where, String text) {
        add(where, SourceLine::start, text);
    }

    /** A problem with one word of a line: a key if it is one there, or else any other. */
    public void add(ConfigOrigin where, String word, String text) {
        add(where, line -> line.word(word), text);
    }

    /**
     * A problem with a key.
     *
     * @param keys the key itself, after those of the sections around it, which may be on the same line: {@code sinks},
     *     {@code daq}, {@code type}
     */
    public void addKey(ConfigOrigin where, List<String> keys, String text) {
        add(where, line -> line.key(keys), text);
    }

    /**
     * A problem with how a value is written, rather than with what it means.
     *
     * @param keys the key of the value, as in {@link #addKey}
     * @param value the value, or the part of it that is wrong
     */
    public void addValue(ConfigOrigin where, List<String> keys, String value, String text) {
        add(where, line -> line.value(keys, value), text);
    }

    private void add(ConfigOrigin where, ToIntFunction<SourceLine> place, String text) {
        String file = where.filename() != null
                ? where.filename()
                : where.resource() != null
                        ? where.resource()
                        : where.withLineNumber(-1).description(); // which would have the line in it
        int line = Math.max(0, where.lineNumber());
        int column = 0;
        if (line > 0) {
            List<SourceLine> lines = sources.computeIfAbsent(file, Problems::lines);
            column = line <= lines.size() ? place.applyAsInt(lines.get(line - 1)) : lines.isEmpty() ? 0 : 1;
        }
        found.add(new Problem(file, line, column, oneLine(text)));
    }

    /** What a file has in quotes may be anything: a problem is one line, and one that can be looked at. */
    private static String oneLine(String text) {
        String cut = text.length() > MOST_CHARACTERS ? text.substring(0, MOST_CHARACTERS) + "…" : text;
        return UNPRINTABLE
                .matcher(cut)
                .replaceAll(
                        found -> String.format("\\\\u%04x", (int) found.group().charAt(0)));
    }

    private static List<SourceLine> lines(String file) {
        try {
            Path path = Path.of(file);
            return Files.isRegularFile(path) ? SourceLine.all(Files.readString(path)) : List.of();
        } catch (IOException | InvalidPathException e) {
            return List.of(); // the line alone tells enough
        }
    }

    /** In the order of the file. */
    public List<Problem> sorted() {
        return found.stream()
                .distinct()
                .sorted(Comparator.comparingInt(Problem::line).thenComparingInt(Problem::column))
                .toList();
    }

    public int count() {
        return found.size();
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
