// SPDX-License-Identifier: Apache-2.0
package dev.sluice.chaos;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.Locale;
import java.util.Random;
import java.util.stream.Stream;

/**
 * Sluice's life as it could be: senders and receivers in processes of their own, with a line between them that breaks in
 * every way that there is a {@link dev.sluice.faults.Fault} for, killed, stopped for a while and told to read their
 * topology again, at random from a seed. What each round produced is known, and is compared with what came.
 *
 * <p>Run by {@code pipeline/test/chaos}; ends with one line of counts, and 0 only if nothing was wrong.
 */
public final class Chaos {

    private Chaos() {}

    /**
     * Runs rounds until the time is over.
     *
     * @param arguments {@code --minutes N}, 1 if not given; {@code --seed S} of the first round, the time if not given
     */
    public static void main(String[] arguments) throws Exception {
        double minutes = 1;
        long seed = System.nanoTime();
        for (int i = 0; i < arguments.length; i += 2) {
            String value = i + 1 < arguments.length ? arguments[i + 1] : "";
            try {
                switch (arguments[i]) {
                    case "--minutes" -> minutes = Double.parseDouble(value);
                    case "--seed" -> seed = Long.parseLong(value);
                    default -> throw new NumberFormatException();
                }
            } catch (NumberFormatException e) {
                System.err.println("usage: pipeline/test/chaos [--minutes N] [--seed S]");
                System.exit(2);
            }
        }
        System.exit(run(Duration.ofMillis(Math.round(minutes * 60_000)), seed, System.out) ? 0 : 1);
    }

    private static boolean run(Duration length, long seed, PrintStream out) throws Exception {
        Counts counts = new Counts();
        long began = System.nanoTime();
        long next = seed;
        boolean right = true;
        while (right && System.nanoTime() - began < length.toNanos()) {
            Path folder = Files.createTempDirectory("sluice-chaos");
            Round round = new Round(next, folder, counts);
            try {
                round.run();
                delete(folder);
            } catch (Round.WrongException e) {
                out.printf("seed %d: %s%n%s; its files are in %s%n", next, e.getMessage(), round, folder);
                right = false;
            }
            next = new Random(next).nextLong();
        }
        out.printf(
                Locale.ROOT,
                "chaos: seed %d, %.1f minutes: %s: %s%n",
                seed,
                (System.nanoTime() - began) / 60e9,
                counts,
                right ? "all right" : "WRONG");
        return right;
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
