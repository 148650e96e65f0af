// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * All rivals with all frame sizes.
 *
 * <p>Exit status: 0 all were measured, or left out with a sentence; 1 one failed, or bytes of its stream did not arrive; 64
 * the command line is wrong.
 */
public final class Comparison {

    private final Settings settings;
    private final PrintStream people;
    private final List<Run> runs = new ArrayList<>();

    /**
     * What to do; checked by {@code benchmarks/run}.
     *
     * @param programs folder of the programs in C
     * @param command as it was typed
     */
    private record Settings(
            Path programs,
            boolean json,
            Course.Pace pace,
            int rounds,
            long seed,
            List<Integer> frameBytes,
            List<Rival> rivals,
            String command) {

        static Settings read(String[] args) {
            List<Rival> rivals = new ArrayList<>(Rivals.all());
            if (!args[6].isEmpty()) {
                List<String> wanted = List.of(args[6].split(","));
                List<String> names = rivals.stream().map(Rival::name).toList();
                wanted.stream()
                        .filter(name -> !names.contains(name))
                        .findFirst()
                        .ifPresent(unknown -> {
                            throw new IllegalArgumentException(
                                    "there is no rival \"" + unknown + "\"; write some of " + String.join(",", names));
                        });
                rivals.removeIf(rival -> !wanted.contains(rival.name()));
            }
            return new Settings(
                    Path.of(args[0]),
                    args[1].equals("json"),
                    Course.Pace.of(args[2]),
                    Integer.parseInt(args[3]),
                    Long.parseLong(args[4]),
                    Arrays.stream(args[5].split(",")).map(Integer::valueOf).toList(),
                    rivals,
                    args[7]);
        }
    }

    private Comparison(Settings settings) {
        this.settings = settings;
        people = settings.json() ? System.err : System.out;
    }

    /** @param args programs, json or text, quick or full, rounds, seed, frame sizes, rivals or nothing for all, command */
    public static void main(String[] args) {
        Command.run(() -> new Comparison(Settings.read(args)).run());
    }

    private void run() throws IOException, InterruptedException {
        people.print(Machine.text());
        people.printf(
                "command      %s%nring         %d buffers of /dev/shm; rounds %d, shuffled; seed %d%n%n",
                settings.command(), Course.BUFFERS, settings.rounds(), settings.seed());
        for (int frameBytes : settings.frameBytes()) {
            Shape shape = new Shape(frameBytes, Course.BUFFERS, 1);
            settings.rivals().forEach(rival -> runs.add(new Run(rival, shape)));
        }
        Run.all(runs, settings.programs(), settings.pace(), settings.rounds(), settings.seed());
        report();
    }

    private void report() {
        List<Result> results =
                runs.stream().filter(Run::wasMeasured).map(Run::result).toList();
        if (settings.json()) {
            results.forEach(result -> System.out.println(result.json()));
        } else {
            for (int frameBytes : settings.frameBytes()) {
                System.out.println(Table.of(
                        frameBytes,
                        results.stream()
                                .filter(result -> result.frameBytes() == frameBytes)
                                .toList()));
            }
            System.out.println(Table.LEGEND);
        }
        runs.stream()
                .filter(run -> !run.wasMeasured())
                .forEach(run -> people.printf(
                        "left out: %s, frames of %s: %s%n",
                        run.rival.name(), Table.size(run.shape.frameBytes()), run.leftOut()));
    }
}
