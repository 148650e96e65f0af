// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import dev.sluice.benchmarks.compare.Rival.Kind;
import dev.sluice.benchmarks.compare.Rival.Runtime;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * How what a pipeline sends, and what that costs, changes with the size and the number of its parts, one of them at a time.
 * Throughput is that of all connections together, cost that of a byte that is delivered.
 *
 * <p>Exit status: 0 all were measured, or left out with a sentence; 1 one failed, or bytes of its stream did not arrive.
 */
public final class Curves {

    private static final int FRAME_BYTES = 256 << 10;

    private static final int LEAST_FRAME_BYTES = 4 << 10;
    private static final int MOST_FRAME_BYTES = 4 << 20;

    /** From one frame size to the next. */
    private static final int FRAME_STEP = 4;

    private static final int[] BUFFERS = {2, 4, 8, 16, 64, 256};
    private static final int[] PARTS = {1, 2, 4, 8, 16};

    private static final String COPY = "transport = copy, framing = raw";

    /** What is changed, by how much, and what is measured with it. */
    private record Point(String curve, long at, Run run) {
        boolean isOfCurve(Point other) {
            return curve.equals(other.curve) && run.rival.name().equals(other.run.rival.name());
        }
    }

    private final List<Point> points = new ArrayList<>();

    private Curves() {}

    /** @param args programs, json or text, quick or full, rounds, seed, command; checked by {@code benchmarks/run} */
    public static void main(String[] args) {
        Command.run(() -> new Curves()
                .run(
                        Path.of(args[0]),
                        args[1].equals("json"),
                        Course.Pace.of(args[2]),
                        Integer.parseInt(args[3]),
                        Long.parseLong(args[4]),
                        args[5]));
    }

    private void run(Path programs, boolean json, Course.Pace pace, int rounds, long seed, String command)
            throws IOException, InterruptedException {
        add();
        if (pace.quick()) {
            keepEnds();
        }
        (json ? System.err : System.out)
                .printf(
                        "%scommand      %s%nrounds       %d, shuffled; seed %d%n%n",
                        Machine.text(), command, rounds, seed);
        Run.all(points.stream().map(Point::run).toList(), programs, pace, rounds, seed);
        String curve = "";
        for (Point point : points) {
            if (!json && !point.curve().equals(curve)) {
                curve = point.curve();
                System.out.printf(
                        "%n%-14s %-28s %7s %12s %14s %13s %7s%n",
                        curve, "sink", "MB/s", "sender s/GB", "receiver s/GB", "machine s/GB", "spread");
            }
            if (!point.run().wasMeasured()) {
                System.err.printf(
                        "left out: %s %d: %s%n",
                        point.curve(), point.at(), point.run().leftOut());
            } else {
                System.out.println(json ? json(point) : line(point, point.run().result()));
            }
        }
    }

    private void add() {
        for (String transport : List.of("copy", "zerocopy", "uring", "splice")) {
            for (int bytes = LEAST_FRAME_BYTES; bytes <= MOST_FRAME_BYTES; bytes *= FRAME_STEP) {
                add("frame bytes", bytes, Rivals.sluice(transport), new Shape(bytes, Course.BUFFERS, 1));
            }
        }
        for (String transport : List.of("copy", "splice")) {
            for (int count : BUFFERS) {
                add("buffers", count, Rivals.sluice(transport), new Shape(FRAME_BYTES, count, 1));
            }
        }
        for (int count : PARTS) {
            add("sinks", count, pipeline(Runtime.JVM, COPY), new Shape(FRAME_BYTES, Course.BUFFERS, count));
        }
        for (int count : PARTS) {
            Rival rival = pipeline(Runtime.JVM, COPY + ", sources = " + count);
            add("sources", count, rival, new Shape(FRAME_BYTES, Course.BUFFERS, 1));
        }
        for (int count : PARTS) {
            Rival rival = pipeline(Runtime.JVM_LISTENING, COPY + ", receivers = " + count);
            add("receivers", count, rival, new Shape(FRAME_BYTES, Course.BUFFERS, count));
        }
    }

    /** Of each curve's points: enough to show that all work. */
    private void keepEnds() {
        List<Point> all = List.copyOf(points);
        points.removeIf(point -> {
            int at = all.indexOf(point);
            boolean first = at == 0 || !all.get(at - 1).isOfCurve(point);
            boolean last = at == all.size() - 1 || !all.get(at + 1).isOfCurve(point);
            return !first && !last;
        });
    }

    private static Rival pipeline(Runtime runtime, String settings) {
        return new Rival("sluice-copy-raw", Kind.COPYING, "", runtime, List.of("sluice:" + settings));
    }

    private void add(String curve, long at, Rival rival, Shape shape) {
        points.add(new Point(curve, at, new Run(rival, shape)));
    }

    private static String line(Point point, Result result) {
        Measurement median = result.median();
        return String.format(
                Locale.ROOT,
                "%-14d %-28s %7.0f %12.3f %14.3f %13.3f %6.0f%%",
                point.at(),
                result.rival().name(),
                median.mbPerS(),
                median.senderCpu(),
                median.receiverCpu(),
                median.machineCpu(),
                result.spread() * 100);
    }

    private static String json(Point point) {
        String result = point.run().result().json();
        return String.format(
                Locale.ROOT, "{\"curve\":\"%s\",\"at\":%d,%s", point.curve(), point.at(), result.substring(1));
    }
}
