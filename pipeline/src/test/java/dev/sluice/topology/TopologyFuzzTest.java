// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import dev.sluice.Fuzz;
import dev.sluice.filter.Problems;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Whatever a topology file holds, it is valid, or has problems of one line each that say where. */
final class TopologyFuzzTest {

    /** Far more than a file of a hundred lines needs, far less than a heap. */
    private static final long MOST_BYTES = 512L << 20;

    private static final Duration LONGEST = Duration.ofSeconds(10);
    private static final Pattern TOKEN =
            Pattern.compile("\\$\\{[^}\\n]*}|[{}\\[\\],:=+\"#]|\\n|[ \\t]+|[^{}\\[\\],:=+\"#\\s]+");

    /** The node that a problem is about. */
    private static final Pattern NAME = Pattern.compile("^\\S*\\.\\S* ");

    /** What somebody writes who wants to know. */
    private static final List<String> SNIPPETS = List.of(
            "${",
            "}",
            "{",
            "[",
            "]",
            "\"",
            "\"\"\"",
            "\\",
            "\u0000",
            "\ud800",
            "\u2028",
            "\r",
            "\ufeff",
            "${sluice}",
            "${?sluice.sinks}",
            "${a}${a}",
            "a = ${a}",
            "a = ${b}, b = ${a}",
            "a += ${a}",
            "sluice = ${sluice}",
            "sluice.sources = ${sluice}",
            "include \"nothing.conf\"",
            "include required(\"nothing.conf\")",
            "include required(file(\"/\"))",
            "include classpath(\"reference.conf\")",
            "include",
            "null",
            "true",
            "-1",
            "0",
            "1e999999999",
            "1e999999999M",
            "-1e-999999999GiB",
            "1e400s",
            "99999999999999999999999999999999",
            "9223372036854775807",
            "9223372036854775807 days",
            "NaN",
            "0x10",
            "1/0",
            "[1, {a = 1}, [[]]]",
            "{ type = tcp, from = fpga }",
            "type = replay, path = \"\u0000\"",
            "listen = \"[::1%lo]:7000\", allow = [\"1.2.3.4/33\"]",
            "connect = \"a:b:c\"",
            "\"a.b\".c = 1",
            "\"\" = 1",
            "a.b.c.d.e = 1",
            "tests { t { filter = burst } }",
            "pekko { actor { provider = 1 } }",
            "// \u202e comment",
            ".",
            "..",
            "+=");

    @Test
    void aFileCanHoldWhatItLikes() throws Exception {
        Fuzz.run("topology", Duration.ofSeconds(15), harming(corpus()));
    }

    private static Fuzz.Case harming(List<String> corpus) {
        return (random, tally) -> {
            String text = corpus.get(random.nextInt(corpus.size()));
            read(harm(text, corpus, random), tally);
        };
    }

    public static void fuzzerTestOneInput(byte[] choices) throws Exception {
        Fuzz.guided(choices, harming(corpus()));
    }

    private static List<String> corpus() throws IOException {
        List<String> texts = new ArrayList<>();
        try (Stream<Path> files = Files.list(Path.of("..", "conf"))) {
            for (Path file : files.sorted().toList()) {
                texts.add(Files.readString(file).replaceAll("(?m)^#.*\\n", ""));
            }
        }
        Fuzz.check(!texts.isEmpty(), () -> "there are no files to begin with");
        return texts;
    }

    private static String harm(String text, List<String> corpus, RandomGenerator random) {
        List<String> tokens = new ArrayList<>(
                TOKEN.matcher(text).results().map(MatchResult::group).toList());
        for (int i = random.nextInt(5); i > 0; i--) {
            int at = random.nextInt(tokens.size());
            int other = random.nextInt(tokens.size());
            switch (random.nextInt(12)) {
                case 0 -> tokens.remove(at);
                case 1 -> tokens.add(at, tokens.get(at));
                case 2 -> tokens.set(at, tokens.set(other, tokens.get(at)));
                case 3 -> tokens.addAll(at, List.copyOf(tokens.subList(Math.min(at, other), Math.max(at, other))));
                case 4, 5 -> tokens.set(at, SNIPPETS.get(random.nextInt(SNIPPETS.size())));
                case 6, 7 -> tokens.add(at, "\n" + SNIPPETS.get(random.nextInt(SNIPPETS.size())) + "\n");
                case 8 -> tokens.set(at, Character.toString(random.nextInt(Character.MAX_CODE_POINT + 1)));
                case 9 -> tokens.add(at, many(random));
                case 10 -> tokens.add(at, "\n" + bomb(random) + "\n");
                default -> tokens.addAll(at, List.of("\n", corpus.get(random.nextInt(corpus.size())), "\n"));
            }
            if (tokens.isEmpty()) {
                return "";
            }
        }
        return String.join("", tokens);
    }

    /** Too much of one thing: nesting, or a long key. */
    private static String many(RandomGenerator random) {
        int count = 1 << random.nextInt(8, 16);
        return switch (random.nextInt(6)) {
            case 0 -> "a {".repeat(count);
            case 1 -> "x = " + "[".repeat(count) + "]".repeat(count);
            case 2 -> "x = " + "{ a = ".repeat(count) + "1" + "}".repeat(count);
            case 3 -> "k".repeat(count) + " = 1";
            case 4 -> "k" + ".k".repeat(count / 16) + " = 1"; // Typesafe Config copies the rest of it for each of them
            default -> "x = " + "1".repeat(count);
        };
    }

    /** Each line is a multiple of the one before. */
    private static String bomb(RandomGenerator random) {
        int lines = random.nextInt(2, 60);
        String each = List.of(
                        "${%1$s}${%1$s}",
                        "[${%1$s}, ${%1$s}]", "{ p = ${%1$s}, q = ${%1$s} }", "${%1$s} [1]", "${%1$s} 1")
                .get(random.nextInt(5));
        String first = random.nextBoolean() ? "[1]" : "word";
        String folder = random.nextBoolean() ? "" : "sluice.";
        StringBuilder text = new StringBuilder(folder + "v0 = " + first + "\n");
        for (int i = 1; i < lines; i++) {
            text.append(folder).append("v").append(i).append(" = ");
            text.append(String.format(each, folder + "v" + (i - 1))).append('\n');
        }
        return text.toString();
    }

    private static void read(String text, Fuzz.Tally tally) {
        tally.begin(text.getBytes(StandardCharsets.UTF_8));
        long began = System.nanoTime();
        TopologyReader.Result result = TopologyReader.read(text, "it.conf");
        long took = System.nanoTime() - began;
        switch (result) {
            case TopologyReader.Valid valid -> tally.end("valid", MOST_BYTES);
            case TopologyReader.Invalid(List<Problems.Problem> problems) -> {
                Fuzz.check(!problems.isEmpty(), () -> "is invalid, and nobody knows why");
                tally.end(NAME.matcher(problems.getFirst().text()).replaceFirst(""), MOST_BYTES);
                problems.forEach(problem -> check(problem, text));
            }
        }
        Fuzz.check(took < LONGEST.toNanos(), () -> "took " + took + " ns");
    }

    private static void check(Problems.Problem problem, String text) {
        Fuzz.checkLine(problem.toString());
        long lines = text.chars().filter(c -> c == '\n').count() + 1;
        boolean here = problem.file().equals("it.conf");
        Fuzz.check(!here || problem.line() <= lines, () -> "is behind the end: " + problem);
        Fuzz.check((problem.column() > 0) == (problem.line() > 0) || !here, () -> "has no column: " + problem);
        Fuzz.check(problem.toString().length() < 1000 + text.length() * 4, () -> "is endless: " + problem);
    }
}
