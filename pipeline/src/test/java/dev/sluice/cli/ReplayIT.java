// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Real input, from file to receiver: what arrives is what was asked for, byte for byte. */
class ReplayIT {

    /** Over 100 MB that nobody here made. */
    private static final Path MODULES = Path.of(System.getProperty("java.home"), "lib", "modules");

    private static final long FRAME_BYTES = 1 << 20;

    private static long modulesBytes;
    private static String modulesHash = "";

    @TempDir
    private Path folder;

    @BeforeAll
    static void hashModules() throws IOException {
        modulesBytes = Files.size(MODULES);
        modulesHash = RawReceiver.sha256(MODULES);
        assertThat(modulesBytes).isGreaterThan(100_000_000);
    }

    static List<String> rawReceivers() {
        return RawReceiver.installed();
    }

    /** {@code offset}, {@code length} and {@code every} of a filter. */
    private record Window(long offset, long length, long every) {

        String hocon(String name, String from) {
            return "%s { type = window, from = %s, offset = %d, length = %d, every = %d }"
                    .formatted(name, from, offset, length, every);
        }

        /** Whether it keeps the byte at this position of what it sees. */
        boolean keeps(long position) {
            return position >= offset && (position - offset) % every < length;
        }
    }

    @ParameterizedTest
    @MethodSource("rawReceivers")
    void deliversTheFileToAReceiverNobodyHereMade(String program) throws IOException {
        try (RawReceiver receiver = RawReceiver.start(program, folder.resolve("out"))) {
            Config summary = runToEnd(topology(MODULES, "", "", receiver.address(), "framing = raw"));

            assertThat(receiver.sha256()).isEqualTo(modulesHash);
            assertThat(summary.getLong("acquired_bytes")).isEqualTo(modulesBytes);
            assertThat(summary.getLong("kept_bytes")).isEqualTo(modulesBytes);
            assertThat(summary.getLong("sent_bytes")).isEqualTo(modulesBytes);
            assertThat(summary.getLong("lost_bytes")).isZero();
            assertThat(summary.getLong("stuck_buffers")).isZero();
            assertThat(summary.getLong("frames_left")).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"copy", "zerocopy", "auto"})
    void deliversTheSameBytesByEveryTransport(String transport) throws IOException {
        try (RawReceiver receiver = RawReceiver.start(folder.resolve("out"))) {
            String sink = "framing = raw, transport = " + transport;
            runToEnd(topology(MODULES, "", "", receiver.address(), sink));

            assertThat(receiver.sha256()).isEqualTo(modulesHash);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"zerocopy", "splice"})
    void deliversTheSameBytesWhereEverySendIsByReference(String transport) throws IOException {
        try (RawReceiver receiver = RawReceiver.start(folder.resolve("out"))) {
            String sink =
                    "framing = raw, transport = " + transport + ", zerocopy-threshold = 0, plain-after-copied = 0";
            runToEnd(topology(MODULES, "", "", receiver.address(), sink));

            assertThat(receiver.sha256()).isEqualTo(modulesHash);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"999983", "4096", "300MiB"})
    void servesAFileThatIsNoMultipleOfItsFrames(String frameSize) throws IOException {
        try (RawReceiver receiver = RawReceiver.start(folder.resolve("out"))) {
            String source = "frame-size = " + frameSize;
            runToEnd(topology(MODULES, source, "", receiver.address(), "framing = raw"));

            assertThat(receiver.sha256()).isEqualTo(modulesHash);
        }
    }

    @Test
    void recordsWhatCameWithHeaders() throws IOException {
        Path recorded = folder.resolve("recorded");
        try (SluiceProcess receiver = receiveTo(recorded)) {
            Config summary = runToEnd(topology(MODULES, "", "", receiver.listening(), "framing = sluice"));

            SluiceProcess.Ended received = receiver.end();
            assertThat(received.exit()).as("%s", received).isZero();
            assertThat(received.json().getLong("frames")).isEqualTo(summary.getLong("frames_sent"));
            assertThat(received.json().getLong("bytes")).isEqualTo(modulesBytes);
            assertThat(received.json().getLong("skipped_bytes")).isZero();
            assertThat(received.json().getString("problem")).isEmpty();
            // A header of 64 bytes before each frame, one that begins the connection, one at the end, and a BYE.
            assertThat(summary.getLong("sent_bytes") - modulesBytes)
                    .isEqualTo(64 * (summary.getLong("frames_sent") + 3));
            assertThat(RawReceiver.sha256(recorded)).isEqualTo(modulesHash);
        }
    }

    @Test
    void windowKeepsAStretchOfEveryEightKibibytes() throws IOException {
        deliversTheWindow(FRAME_BYTES, new Window(4096, 1024, 8192));
    }

    @Test
    void windowKeepsStretchesThatLieAcrossPages() throws IOException {
        deliversTheWindow(999_983, new Window(3, 1000, 4099));
    }

    @Test
    void windowLargerThanThePlainThresholdIsWhole() throws IOException {
        deliversTheWindow(FRAME_BYTES, new Window(12_345, 100_001, 131_071));
    }

    @Test
    void windowsInAChainSeeWhatTheOneBeforeKept() throws IOException {
        deliversTheWindow(FRAME_BYTES, new Window(3, 1000, 4099), new Window(500, 777, 1501));
    }

    @Test
    void windowCutsIntoMorePiecesThanOneSendTakes() throws IOException {
        Path file = randomFile(3_000_001);
        try (RawReceiver receiver = RawReceiver.start(folder.resolve("out"))) {
            Window everyOther = new Window(1, 1, 2);
            runToEnd(topology(file, "", everyOther.hocon("w", "f"), receiver.address(), "from = w, framing = raw"));

            assertThat(receiver.sha256()).isEqualTo(expected(file, FRAME_BYTES, List.of(everyOther)));
        }
    }

    @Test
    void windowThatKeepsNothingEndsWell() throws IOException {
        Path file = randomFile(100_000);
        Path recorded = folder.resolve("recorded");
        try (SluiceProcess receiver = receiveTo(recorded)) {
            Config summary = runToEnd(topology(
                    file,
                    "frame-size = 4096",
                    new Window(4096, 1, 1).hocon("w", "f"),
                    receiver.listening(),
                    "from = w, framing = sluice"));

            SluiceProcess.Ended received = receiver.end();
            assertThat(received.exit()).as("%s", received).isZero();
            assertThat(received.json().getLong("frames")).isZero();
            assertThat(summary.getLong("acquired_bytes")).isEqualTo(100_000);
            assertThat(summary.getLong("kept_bytes")).isZero();
            assertThat(recorded).isEmptyFile();
        }
    }

    @Test
    void windowedFramesArriveWithHeadersToo() throws IOException {
        Path recorded = folder.resolve("recorded");
        Window window = new Window(3, 1000, 4099);
        try (SluiceProcess receiver = receiveTo(recorded)) {
            runToEnd(topology(MODULES, "", window.hocon("w", "f"), receiver.listening(), "from = w, framing = sluice"));

            SluiceProcess.Ended received = receiver.end();
            assertThat(received.exit()).as("%s", received).isZero();
            assertThat(RawReceiver.sha256(recorded)).isEqualTo(expected(MODULES, FRAME_BYTES, List.of(window)));
        }
    }

    @Test
    void fileOfOneByteArrives() throws IOException {
        Path file = randomFile(1);
        try (RawReceiver receiver = RawReceiver.start(folder.resolve("out"))) {
            Config summary = runToEnd(topology(file, "", "", receiver.address(), "framing = raw"));

            assertThat(receiver.sha256()).isEqualTo(RawReceiver.sha256(file));
            assertThat(summary.getLong("frames")).isEqualTo(1);
        }
    }

    @Test
    void framesOfOneByteArrive() throws IOException {
        Path file = randomFile(20_000);
        try (RawReceiver receiver = RawReceiver.start(folder.resolve("out"))) {
            Config summary = runToEnd(topology(file, "frame-size = 1", "", receiver.address(), "framing = raw"));

            assertThat(receiver.sha256()).isEqualTo(RawReceiver.sha256(file));
            assertThat(summary.getLong("frames")).isEqualTo(20_000);
        }
    }

    private void deliversTheWindow(long frameBytes, Window... windows) throws IOException {
        List<String> filters = new ArrayList<>();
        String from = "f";
        for (Window window : windows) {
            String name = "w" + filters.size();
            filters.add(window.hocon(name, from));
            from = name;
        }
        try (RawReceiver receiver = RawReceiver.start(folder.resolve("out"))) {
            Config summary = runToEnd(topology(
                    MODULES,
                    "frame-size = " + frameBytes,
                    String.join("\n", filters),
                    receiver.address(),
                    "framing = raw, from = " + from));

            assertThat(receiver.sha256()).isEqualTo(expected(MODULES, frameBytes, List.of(windows)));
            assertThat(summary.getLong("kept_bytes")).isEqualTo(Files.size(folder.resolve("out")));
        }
    }

    /** The hash of what the windows keep of each frame, found byte by byte from what the manual says of them. */
    private static String expected(Path file, long frameBytes, List<Window> windows) throws IOException {
        MessageDigest digest = RawReceiver.newSha256();
        byte[] kept = new byte[Math.toIntExact(frameBytes)];
        try (FileChannel channel = FileChannel.open(file)) {
            MappedByteBuffer all = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
            while (all.hasRemaining()) {
                int size = Math.toIntExact(Math.min(frameBytes, all.remaining()));
                all.get(kept, 0, size);
                for (Window window : windows) {
                    int count = 0;
                    for (int position = 0; position < size; position++) {
                        if (window.keeps(position)) {
                            kept[count++] = kept[position];
                        }
                    }
                    size = count;
                }
                digest.update(kept, 0, size);
            }
        }
        return RawReceiver.hex(digest);
    }

    private Path randomFile(int bytes) throws IOException {
        byte[] content = new byte[bytes];
        new Random(bytes).nextBytes(content);
        return Files.write(folder.resolve("in"), content);
    }

    private static SluiceProcess receiveTo(Path file) {
        return SluiceProcess.start("receive", "--listen", "127.0.0.1:0", "--json", "--record", file.toString());
    }

    private Path topology(Path input, String source, String filters, String address, String sink) throws IOException {
        return Files.writeString(folder.resolve("topology.conf"), """
                sluice {
                  sources { f { type = replay, path = "%s", frame-size = 1MiB, loop = false } }
                  sources { f { %s } }
                  filters { %s }
                  sinks { out { type = tcp, from = f, connect = "%s" } }
                  sinks { out { %s } }
                }
                """.formatted(input, source, filters, address, sink));
    }

    /** The summary of a run that must end well by itself; what holds of every such run is checked here. */
    private static Config runToEnd(Path topology) {
        SluiceProcess.Ended run = SluiceProcess.run("run", "--json", topology.toString());
        assertThat(run.exit()).as("%s", run).isZero();
        assertThat(run.out()).as("one line of JSON and nothing else").hasSize(1);
        assertThat(run.complaints()).isEmpty();
        Config summary = run.json();
        assertThat(summary.getLong("by_reference_bytes")
                        + summary.getLong("copied_bytes")
                        + summary.getLong("plain_bytes"))
                .isEqualTo(summary.getLong("sent_bytes"));
        assertThat(summary.getLong("unsettled_bytes")).isZero();
        return summary;
    }
}
