// SPDX-License-Identifier: Apache-2.0
package dev.sluice.testkit;

import dev.sluice.filter.Filter;
import dev.sluice.filter.Problems;
import dev.sluice.topology.Topology;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/** Runs the {@code tests} of a topology: its own filters, with their settings, on a small input. */
public final class TopologyTests {

    /** Enough for filters that look back a few frames; what a test feeds is small. */
    private static final int BUFFERS = 64;

    private static final int MOST_SHOWN = 16;

    private TopologyTests() {}

    /** Runs them all, and says which fail. */
    public static List<Problems.Problem> run(Topology topology) {
        Problems problems = new Problems();
        for (Topology.FilterTest test : topology.tests()) {
            String wrong = run(topology, test);
            if (!wrong.isEmpty()) {
                problems.addKey(
                        test.node().origin(),
                        List.of("sluice", "tests", test.name()),
                        "tests." + test.name() + " " + wrong);
            }
        }
        return problems.sorted();
    }

    /** What went wrong, to follow the test's name; empty if nothing did. */
    private static String run(Topology topology, Topology.FilterTest test) {
        try {
            return compare(test.output(), output(topology, test, input(test.input())));
        } catch (IOException e) {
            return "cannot be run: " + e;
        } catch (AssertionError e) {
            return "fails: " + e.getMessage();
        }
    }

    private static byte[] input(Topology.Content content) throws IOException {
        return switch (content) {
            case Topology.InFile(var path) -> Files.readAllBytes(path);
            case Topology.Literal(String hex) -> HexFormat.of().parseHex(hex);
            case Topology.Hashed hashed -> throw new IllegalArgumentException("a hash has no bytes");
        };
    }

    private static byte[] output(Topology topology, Topology.FilterTest test, byte[] input) {
        List<Supplier<Filter>> makers = new ArrayList<>();
        for (String name : test.filters()) {
            for (Topology.FilterNode filter : topology.filters()) {
                if (filter instanceof Topology.OfFilter ofFilter
                        && filter.name().equals(name)) {
                    makers.add(ofFilter.maker());
                }
            }
        }
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        int frameBytes = Math.min(test.frameBytes(), Math.max(1, input.length));
        try (FilterTester tester = new FilterTester(test.filters(), makers, BUFFERS, frameBytes)) {
            for (int at = 0; at < input.length; at += frameBytes) {
                byte[] frame = Arrays.copyOfRange(input, at, Math.min(at + frameBytes, input.length));
                tester.frame(frame).forEach(out -> output.writeBytes(out.bytes()));
            }
            tester.finish().forEach(out -> output.writeBytes(out.bytes()));
        }
        return output.toByteArray();
    }

    private static String compare(Topology.Content expected, byte[] output) throws IOException {
        if (expected instanceof Topology.Hashed(String sha256)) {
            String found = sha256(output);
            return found.equals(sha256.toLowerCase(Locale.ROOT))
                    ? ""
                    : "fails: the output (" + output.length + " bytes) has the SHA-256 " + found + ", not " + sha256;
        }
        byte[] wanted = input(expected);
        int at = Arrays.mismatch(wanted, output);
        return at < 0
                ? ""
                : "fails: the output (" + output.length + " bytes) is " + shown(output, at) + " from byte " + at
                        + " on, where " + shown(wanted, at) + " (of " + wanted.length + " bytes) was expected";
    }

    private static String shown(byte[] bytes, int from) {
        int to = Math.min(bytes.length, from + MOST_SHOWN);
        return from == bytes.length
                ? "at its end"
                : "\"" + HexFormat.ofDelimiter(" ").formatHex(bytes, from, to) + (to < bytes.length ? " …\"" : "\"");
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java platform has it
        }
    }
}
