// SPDX-License-Identifier: Apache-2.0
package dev.sluice.chaos;

import com.typesafe.config.Config;
import dev.sluice.faults.Direction;
import dev.sluice.faults.Fault;
import dev.sluice.faults.FaultProxy;
import dev.sluice.faults.Planned;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * One stream from its beginning to its END. Either a file that is replayed, recorded at the other end with processes that
 * are killed: it must be the same file. Or a simulated device that produces faster than the line takes, in processes that
 * live: what came and what was announced as lost must be what it produced.
 */
final class Round {

    /** The round showed something that must not be. */
    static final class WrongException extends Exception {
        private static final long serialVersionUID = 1L;

        WrongException(String message) {
            super(message);
        }
    }

    private static final long PATIENCE_SECONDS = 120;

    /** After that nothing happens to it any more, so that it comes to its end. */
    private static final Duration CHAOS = Duration.ofSeconds(20);

    private static final int KILLED_BY_HANGUP = 129;

    private static final InetAddress HERE = InetAddress.getLoopbackAddress();

    private final long seed;
    private final Random random;
    private final Path folder;
    private final Counts counts;
    private final boolean replays;
    private final boolean listens;
    private final boolean resumes;
    private final String sinkSettings;
    private final String source;
    private final int frameBytes;
    private final long lineBytesPerSecond;
    private final int port;
    private final Path topology;
    private final Path capture;
    private final Path record;
    private final long produced;
    private int changes;

    Round(long seed, Path folder, Counts counts) throws IOException {
        this.seed = seed;
        this.random = new Random(seed);
        this.folder = folder;
        this.counts = counts;
        topology = folder.resolve("topology.conf");
        capture = folder.resolve("capture");
        record = folder.resolve("record");
        replays = random.nextInt(3) < 2;
        listens = random.nextBoolean();
        resumes = replays || random.nextBoolean();
        port = freePort();
        frameBytes = 4096 * random.nextInt(1, 64);
        lineBytesPerSecond = random.nextLong(5 << 20, 20 << 20);
        if (replays) {
            produced = lineBytesPerSecond * random.nextInt(5, 15);
            source = "type = replay, path = \"" + capture + "\", frame-size = " + frameBytes + ", buffers = "
                    + random.nextInt(2, 32);
        } else {
            long frames = lineBytesPerSecond * random.nextInt(5, 15) / frameBytes;
            produced = 0;
            source = "type = simulated, poison = true, buffer-size = " + frameBytes + ", buffers = "
                    + random.nextInt(4, 64) + ", frames = " + frames + ", rate = "
                    + (long) (lineBytesPerSecond * (0.5 + random.nextDouble())) + ", short-frames = "
                    + (random.nextBoolean() ? 0.2 : 0) + ", seed = " + seed;
        }
        List<String> transports = new ArrayList<>(List.of(
                "auto",
                "copy",
                "zerocopy, zerocopy-threshold = 0, plain-after-copied = 0",
                "uring, zerocopy-threshold = 0, plain-after-copied = 0"));
        if (resumes) {
            transports.add("splice, zerocopy-threshold = 0");
        }
        String[] policies = {"block", "block", "drop-newest", "drop-oldest"};
        sinkSettings = "delivery = " + (resumes ? "resume" : "live") + ", checksums = true, peer-timeout = 1s, "
                + "handshake-timeout = 1s, transport = " + transports.get(random.nextInt(transports.size()))
                + (replays ? "" : ", when-full = " + policies[random.nextInt(policies.length)] + ", queue = 1")
                + (random.nextBoolean() ? ", send-buffer = 32KiB" : "")
                + (listens ? "" : ", reconnect-min = 5ms, reconnect-max = 100ms");
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, HERE)) {
            return socket.getLocalPort();
        }
    }

    void run() throws IOException, InterruptedException, WrongException {
        if (replays) {
            writeCapture();
        }
        try (FaultProxy proxy = new FaultProxy(new InetSocketAddress(HERE, port), seed, plan())) {
            writeTopology(proxy);
            run(proxy);
            counts.connections += proxy.connections();
            counts.faults += proxy.injected().size();
        }
        counts.rounds++;
    }

    private void run(FaultProxy proxy) throws IOException, InterruptedException, WrongException {
        Program sender = sender();
        Program receiver = receiver(proxy);
        try {
            long until = System.nanoTime() + CHAOS.toNanos();
            while (System.nanoTime() < until && (sender.isAlive() || receiver.isAlive())) {
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(random.nextInt(20, 700)));
                if (diedOfHangup(sender)) {
                    sender = sender();
                }
                boolean ofSender = random.nextBoolean();
                Program one = ofSender ? sender : receiver;
                switch (random.nextInt(replays ? 12 : 8)) {
                    case 0, 1, 2, 3 -> {
                        proxy.cut();
                        counts.faults++;
                    }
                    case 4 -> {
                        proxy.blackHole();
                        counts.faults++;
                    }
                    case 5, 6 -> pause(one);
                    case 7 -> reload(proxy, sender);
                    default -> {
                        if (one.isAlive() && one.ageMillis() > random.nextInt(800, 3000)) {
                            one.kill();
                            counts.kills++;
                            if (ofSender) {
                                sender = sender();
                            } else {
                                receiver = receiver(proxy);
                            }
                        }
                    }
                }
            }
            proxy.calm();
            LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(1)); // the last signal has come
            if (diedOfHangup(sender)) {
                sender = sender();
            }
            if (!sender.awaitEnd(PATIENCE_SECONDS) || !receiver.awaitEnd(PATIENCE_SECONDS)) {
                throw new WrongException("the " + (sender.isAlive() ? "sender" : "receiver")
                        + " did not come to its end in " + PATIENCE_SECONDS + " s");
            }
            check(sender, receiver);
        } finally {
            sender.end();
            receiver.end();
        }
    }

    /** It was told to read its file again before it listened to that. */
    private boolean diedOfHangup(Program sender) {
        boolean died = !sender.isAlive() && sender.exit() == KILLED_BY_HANGUP;
        counts.kills += died ? 1 : 0;
        return died;
    }

    private Planned[] plan() {
        List<Planned> plan = new ArrayList<>();
        Direction data = listens ? Direction.TO_CLIENT : Direction.TO_TARGET;
        Direction answers = listens ? Direction.TO_TARGET : Direction.TO_CLIENT;
        // So that a round takes a while, and whatever befalls it does so in the middle.
        plan.add(Planned.after(0, data, new Fault.Throttle(lineBytesPerSecond, Long.MAX_VALUE)));
        List<Fault> faults = List.of(
                new Fault.Reset(),
                new Fault.HalfClose(),
                new Fault.BlackHole(),
                new Fault.Corrupt(random.nextLong(1, 9)),
                new Fault.Stall(Duration.ofMillis(random.nextInt(1, 400))),
                new Fault.Delay(Duration.ofMillis(random.nextInt(1, 50)), 1 << 20),
                new Fault.Fragment(random.nextInt(1, 200), 1 << 16));
        for (Fault fault : faults) {
            if (random.nextBoolean()) {
                plan.add(Planned.every(random.nextLong(8L * frameBytes, (8L * frameBytes) + (8 << 20)), data, fault));
            }
            if (random.nextInt(3) == 0) {
                plan.add(Planned.every(random.nextLong(1 << 10, 32 << 10), answers, fault));
            }
        }
        return plan.toArray(Planned[]::new);
    }

    private void writeCapture() throws IOException {
        byte[] some = new byte[1 << 20];
        try (OutputStream out = Files.newOutputStream(capture)) {
            for (long left = produced; left > 0; left -= some.length) {
                random.nextBytes(some);
                out.write(some, 0, (int) Math.min(left, some.length));
            }
        }
    }

    /** What it says of the stream is always the same; what stands beside it changes. */
    private void writeTopology(FaultProxy proxy) throws IOException {
        String where = listens
                ? "listen = \"127.0.0.1:" + port + "\""
                : "connect = \"127.0.0.1:" + proxy.address().getPort() + "\"";
        String beside = changes++ % 2 == 0 ? "" : "rest { type = discard, from = src }";
        Path next = folder.resolve("next.conf");
        Files.writeString(next, """
                sluice {
                  drain-timeout = 10s
                  longest-pause = 0s
                  sources { src { %s } }
                  sinks {
                    out { type = tcp, from = src, %s, %s }
                    %s
                  }
                }
                """.formatted(source, where, sinkSettings, beside));
        Files.move(next, topology, java.nio.file.StandardCopyOption.ATOMIC_MOVE);
    }

    private Program sender() throws IOException {
        return new Program(folder, "sender", List.of("run", "--json", topology.toString()));
    }

    private Program receiver(FaultProxy proxy) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("receive", "--json", "--reconnect"));
        if (listens) {
            arguments.addAll(List.of("--connect", "127.0.0.1:" + proxy.address().getPort()));
        } else {
            arguments.addAll(List.of("--listen", "127.0.0.1:" + port));
        }
        if (replays) {
            arguments.addAll(List.of("--record", record.toString()));
        } else {
            arguments.add("--verify");
        }
        return new Program(folder, "receiver", arguments);
    }

    private void pause(Program program) throws IOException, InterruptedException {
        if (program.isAlive()) {
            program.stop(true);
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(random.nextInt(1, 1200)));
            program.stop(false);
            counts.stops++;
        }
    }

    private void reload(FaultProxy proxy, Program sender) throws IOException, InterruptedException {
        if (sender.isAlive() && proxy.takenBytes(listens ? Direction.TO_CLIENT : Direction.TO_TARGET) > 0) {
            writeTopology(proxy);
            sender.signal("HUP");
            counts.reloads++;
        }
    }

    private void check(Program sender, Program receiver) throws IOException, WrongException {
        if (sender.exit() != 0 || receiver.exit() != 0) {
            throw new WrongException(
                    "the sender ended with " + sender.exit() + ", the receiver with " + receiver.exit());
        }
        if (replays) {
            long differs = Files.mismatch(capture, record);
            counts.checkedBytes += produced;
            if (differs >= 0) {
                counts.wrongBytes += 1;
                counts.unaccountedBytes += Math.abs(produced - Files.size(record));
                throw new WrongException("the record differs from what was sent, at " + differs + ": "
                        + Files.size(record) + " bytes of " + produced);
            }
            return;
        }
        Config sent = sender.json();
        Config got = receiver.json();
        long all = sent.getLong("acquired_bytes") + sent.getLong("lost_bytes");
        long unaccounted = Math.abs(all - got.getLong("bytes") - got.getLong("lost_bytes"));
        counts.checkedBytes += got.getLong("verified_bytes");
        counts.lostBytes += got.getLong("lost_bytes");
        counts.wrongBytes += got.getLong("wrong_bytes");
        counts.unaccountedBytes += unaccounted + got.getLong("skipped_bytes");
        if (unaccounted != 0 || got.getLong("wrong_bytes") != 0 || got.getLong("skipped_bytes") != 0) {
            throw new WrongException("of " + all + " bytes " + got.getLong("bytes") + " came, "
                    + got.getLong("lost_bytes") + " were announced as lost, " + got.getLong("skipped_bytes")
                    + " skipped, " + got.getLong("wrong_bytes") + " wrong");
        }
    }

    @Override
    public String toString() {
        return "source { " + source + " } sink { " + (listens ? "listens, " : "connects, ") + sinkSettings + " }";
    }
}
