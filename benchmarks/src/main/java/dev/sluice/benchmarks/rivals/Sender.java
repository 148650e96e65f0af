// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * The process of one rival. Takes what the programs in C take, behind the rival's name, and prints the same line.
 *
 * <p>Exit status: 0 it was measured; 1 it failed; 64 the command line is wrong; 69 this machine cannot do it.
 */
public final class Sender {

    private static final int EXIT_FAILED = 1;
    private static final int EXIT_USAGE = 64;
    private static final int EXIT_UNAVAILABLE = 69;

    /** What is measured does not count if the compilers ran for more than this part of it: then it is measured again. */
    private static final int MOST_COMPILING = 20;

    /** As many times the time asked for it warms up at most; what is measured then counts. */
    public static final int MOST_WARM_UP = 8;

    private static final Map<String, SendLoop.Start> RIVALS = new TreeMap<>(Map.of(
            "java-nio", NioWrite::new,
            "java-transfer-to", TransferTo::new,
            "pekko-tcp", PekkoTcp::new,
            "netty-epoll", NettyChannel::epoll,
            "netty-io-uring", NettyChannel::ioUring));

    private Sender() {}

    /**
     * Measures one rival.
     *
     * @param args rival, port and pid of the receiver (of a pipeline's several, with commas between), file of the ring, bytes
     *     of a frame, buffers, warm-up and measured ms
     */
    public static void main(String[] args) throws Exception {
        if (args.length != 8) {
            fail(
                    EXIT_USAGE,
                    "usage: RIVAL PORT RECEIVER_PID RING FRAME_BYTES BUFFERS WARM_UP_MS MEASURE_MS; RIVAL is one of "
                            + RIVALS.keySet() + ", or " + SluicePipeline.PREFIX + " with a sink's settings behind it");
        }
        try {
            Ring ring = new Ring(Path.of(args[3]), Integer.parseInt(args[4]), Integer.parseInt(args[5]));
            List<ProcessorClock> receivers = new ArrayList<>();
            for (String pid : args[2].split(",")) {
                receivers.add(ProcessorClock.of(Long.parseLong(pid)));
            }
            int[] ports = Arrays.stream(args[1].split(","))
                    .mapToInt(Integer::parseInt)
                    .toArray();
            SendLoop rival = start(args[0], ring, ports);
            System.out.println(measure(rival, receivers, Long.parseLong(args[6]), Long.parseLong(args[7])));
            System.out.flush();
        } catch (NumberFormatException e) {
            fail(EXIT_USAGE, String.valueOf(e.getMessage()));
        } catch (UnavailableException e) {
            fail(EXIT_UNAVAILABLE, String.valueOf(e.getMessage()));
        } catch (Exception e) {
            fail(EXIT_FAILED, String.valueOf(e));
        }
        System.exit(0); // whatever threads a library still has
    }

    private static void fail(int status, String sentence) {
        System.err.println(sentence);
        System.exit(status);
    }

    private static SendLoop start(String name, Ring ring, int[] ports) throws Exception {
        if (name.startsWith(SluicePipeline.PREFIX)) {
            return new SluicePipeline(ring, ports, name.substring(SluicePipeline.PREFIX.length()));
        }
        SendLoop.Start start = RIVALS.get(name);
        if (start == null) {
            throw new NumberFormatException("there is no rival \"" + name + "\", but " + RIVALS.keySet());
        }
        return start.on(ring, ports[0]);
    }

    private static String measure(SendLoop rival, List<ProcessorClock> receivers, long warmUpMillis, long measureMillis)
            throws Exception {
        ProcessorClock sender = ProcessorClock.of(ProcessHandle.current().pid());
        TimeUnit.MILLISECONDS.sleep(warmUpMillis);
        Instant first = Instant.now(rival, sender, receivers);
        long latest = first.wall + TimeUnit.MILLISECONDS.toNanos((MOST_WARM_UP - 1) * warmUpMillis);
        TimeUnit.MILLISECONDS.sleep(measureMillis);
        Instant last = Instant.now(rival, sender, receivers);
        while ((last.compilers - first.compilers) * MOST_COMPILING > last.wall - first.wall && last.wall < latest) {
            first = last;
            TimeUnit.MILLISECONDS.sleep(measureMillis);
            last = Instant.now(rival, sender, receivers);
        }
        long total = rival.finish();
        return String.format(
                Locale.ROOT,
                "bytes=%d wall_ns=%d sender_ns=%d receiver_ns=%d machine_ns=%d total=%d copied=%d",
                last.bytes - first.bytes,
                last.wall - first.wall,
                last.sender - first.sender,
                last.receiver - first.receiver,
                last.machine - first.machine,
                total,
                rival.copiedBytes());
    }

    /**
     * Everything at one moment: payload bytes, and times in ns, each of its own clock; of all receivers together. The
     * compilers' is a part of the sender's.
     */
    private record Instant(long bytes, long wall, long sender, long compilers, long receiver, long machine) {
        static Instant now(SendLoop rival, ProcessorClock sender, List<ProcessorClock> receivers) throws IOException {
            long receiving = 0;
            for (ProcessorClock receiver : receivers) {
                receiving += receiver.nanos();
            }
            return new Instant(
                    rival.sentBytes(),
                    System.nanoTime(),
                    sender.nanos(),
                    CompilerTime.nanos(),
                    receiving,
                    MachineTime.busyNanos());
        }
    }

    /** What a rival needs is not on this machine; no defect. */
    static final class UnavailableException extends Exception {
        private static final long serialVersionUID = 1L;

        UnavailableException(String message) {
            super(message);
        }
    }
}
