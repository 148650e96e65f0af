// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import dev.sluice.wire.Greeting;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A run from start to end while things happen to it: signals, receivers that come, go, and do not read. */
class LifeIT {

    /** Of the live line: bytes are moving, and: frames are waiting, but none moves. */
    private static final String FLOWING = "[1-9][\\d.]* MB/s \\|";

    private static final String STALLED = " 0\\.0 MB/s \\|.* [1-9]\\d* lent";
    private static final String CONNECTED = "out: connected to";

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"TERM", "INT"})
    void signalDrainsAndTheReceiverSeesTheEnd(String signal) throws IOException {
        try (SluiceProcess receiver = receive("127.0.0.1:0");
                SluiceProcess sender = run(simulated("rate = 100MB", receiver.listening(), ""))) {
            sender.awaitErr(FLOWING);
            sender.signal(signal, false);

            SluiceProcess.Ended sent = sender.end();
            assertThat(sent.exit()).as("%s", sent).isZero();
            assertThat(sent.complaints()).noneMatch(line -> line.startsWith("sluice:"));
            Config received = assertNothingWrong(receiver.end());
            assertThat(received.getLong("bytes")).isEqualTo(sent.json().getLong("kept_bytes"));
            assertThat(received.getLong("skipped_bytes")).isZero();
            assertThat(sent.json().getLong("stuck_buffers")).isZero();
        }
    }

    @Test
    void summaryIsPrintedForPeopleToo() throws IOException {
        try (SluiceProcess receiver = receive("127.0.0.1:0");
                SluiceProcess sender = SluiceProcess.start(
                        "run",
                        "--live",
                        simulated("rate = 100MB", receiver.listening(), "").toString())) {
            sender.awaitErr(FLOWING);
            sender.terminate();

            SluiceProcess.Ended sent = sender.end();
            assertThat(sent.exit()).as("%s", sent).isZero();
            assertThat(sent.text()).contains("acquired", "kept", "sent", "by reference", "copied", "lost");
            assertNothingWrong(receiver.end());
        }
    }

    @Test
    void impatientSecondAndThirdSignalChangeNothing() throws IOException {
        try (SluiceProcess receiver = receive("127.0.0.1:0");
                SluiceProcess sender = run(simulated("rate = 100MB", receiver.listening(), ""))) {
            sender.awaitErr(FLOWING);
            sender.terminate();
            sender.terminate();
            sender.terminate();

            SluiceProcess.Ended sent = sender.end();
            assertThat(sent.exit()).as("%s", sent).isZero();
            assertNothingWrong(receiver.end());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"copy", "zerocopy"})
    void receiverThatNeverReadsIsGivenUp(String transport) throws IOException {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Path topology = simulated("", address(server), "transport = " + transport);
            try (SluiceProcess sender = run(topology);
                    Socket silent = server.accept()) {
                Greeting.answer(silent);
                sender.awaitErr(STALLED);
                sender.terminate();

                SluiceProcess.Ended sent = sender.end();
                assertThat(silent.isConnected()).isTrue();
                assertThat(sent.exit()).isEqualTo(1);
                assertThat(sent.complaints().getLast())
                        .startsWith("sluice: gave up")
                        .containsPattern("[1-9]\\d* bytes were not acknowledged");
                assertThat(sent.json().getLong("frames_left")).isGreaterThan(0);
                assertThat(sent.json().getLong("stuck_buffers")).isZero();
                assertThat(sent.json().getLong("unsettled_bytes")).isZero();
            }
        }
    }

    @Test
    void signalBeforeAnyReceiverIsThereEndsWithASummary() throws IOException {
        try (SluiceProcess sender = run(simulated("", "127.0.0.1:" + SluiceProcess.freePort(), ""))) {
            sender.awaitErr("Connection refused");
            sender.terminate();

            SluiceProcess.Ended sent = sender.end();
            assertThat(sent.exit())
                    .as("nothing was acquired, so nothing is lost: %s", sent)
                    .isZero();
            assertThat(sent.json().getLong("frames")).isZero();
            assertThat(sent.json().getLong("sent_bytes")).isZero();
        }
    }

    @Test
    void signalAfterTheReceiverWasLostSaysWhatIsLeft() throws IOException {
        try (SluiceProcess receiver = receive("127.0.0.1:0");
                SluiceProcess sender = run(simulated("", receiver.listening(), ""))) {
            sender.awaitErr(FLOWING);
            receiver.kill();
            sender.awaitErr("Connection refused");
            sender.terminate();

            SluiceProcess.Ended sent = sender.end();
            assertThat(sent.exit()).as("%s", sent).isEqualTo(1);
            assertThat(sent.complaints().getLast())
                    .startsWith("sluice: gave up")
                    .contains("no connection");
            assertThat(sent.json().getLong("frames_left")).isGreaterThan(0);
        }
    }

    @Test
    void receiverMayComeLater() throws IOException {
        String address = "127.0.0.1:" + SluiceProcess.freePort();
        try (SluiceProcess sender = run(simulated("frames = 100", address, ""))) {
            sender.awaitErr("Connection refused", 2);
            try (SluiceProcess receiver = receive(address)) {
                SluiceProcess.Ended sent = sender.end();
                assertThat(sent.exit()).as("%s", sent).isZero();
                assertThat(sent.json().getLong("reconnects")).isZero();
                Config received = assertNothingWrong(receiver.end());
                assertThat(received.getLong("frames")).isEqualTo(100);
                assertThat(received.getLong("skipped_bytes")).isZero();
            }
        }
    }

    @Test
    void streamGoesOnWithASecondReceiverWhenTheFirstIsKilled() throws IOException {
        try (SluiceProcess first = receive("127.0.0.1:0")) {
            String address = first.listening();
            try (SluiceProcess sender = run(simulated("rate = 50MB", address, ""))) {
                sender.awaitErr(FLOWING);
                first.kill();
                sender.awaitErr("connection lost|Connection refused");
                try (SluiceProcess second = receive(address)) {
                    sender.awaitErr(CONNECTED, 2);
                    sender.awaitErr(FLOWING, sender.countErr(FLOWING) + 2);
                    sender.terminate();

                    SluiceProcess.Ended sent = sender.end();
                    assertThat(sent.exit()).as("%s", sent).isZero();
                    assertThat(sent.json().getLong("reconnects")).isEqualTo(1);
                    assertThat(sent.json().getLong("unconfirmed_bytes")).isGreaterThanOrEqualTo(0);
                    assertThat(sent.json().getLong("stuck_buffers")).isZero();
                    assertNothingWrong(second.end());
                }
            }
        }
    }

    @Test
    void receiverSaysSoWhenItsSenderIsKilled() throws IOException {
        try (SluiceProcess receiver = receive("127.0.0.1:0");
                SluiceProcess sender = run(simulated("rate = 50MB", receiver.listening(), ""))) {
            sender.awaitErr(FLOWING);
            sender.kill();

            SluiceProcess.Ended received = receiver.end();
            assertThat(received.exit()).isEqualTo(1);
            assertThat(received.complaints())
                    .singleElement()
                    .asString()
                    .matches("sluice: .*(cut off|closed without an END).*");
            assertThat(received.json().getLong("wrong_bytes")).isZero();
            assertThat(received.json().getLong("verified_bytes")).isGreaterThan(0);
        }
    }

    /** It counts from 0 again: its stream is another one. */
    @Test
    void receiverWithReconnectTakesAndCountsASenderThatBeganAnew() throws IOException {
        try (SluiceProcess receiver =
                SluiceProcess.start("receive", "--listen", "127.0.0.1:0", "--verify", "--json", "--reconnect")) {
            String address = receiver.listening();
            try (SluiceProcess killed = run(simulated("rate = 50MB", address, ""))) {
                killed.awaitErr(FLOWING);
                killed.kill();
            }
            receiver.awaitErr("waiting for the sender to come back");
            try (SluiceProcess restarted = run(simulated("frames = 10", address, ""))) {
                restarted.awaitErr(CONNECTED);

                SluiceProcess.Ended received = receiver.end();
                assertThat(received.exit()).as("%s", received).isZero();
                assertThat(received.json().getInt("restarts")).isEqualTo(1);
                assertThat(received.json().getLong("wrong_bytes")).isZero();
                assertThat(received.json().getInt("connections")).isEqualTo(2);
            }
        }
    }

    @Test
    void endThatNobodyTookIsNoSuccess() throws IOException {
        int port = SluiceProcess.freePort();
        Path topology = replay(randomFile(8 << 20), "loop = false", "127.0.0.1:" + port);
        try (SluiceProcess sender = run(topology)) {
            acceptStallAndReset(port, sender);
            sender.awaitErr("Connection reset|Connection refused|connection was lost");
            sender.terminate();

            SluiceProcess.Ended sent = sender.end();
            assertThat(sent.exit()).as("%s", sent).isEqualTo(1);
            assertThat(sent.complaints().getLast()).startsWith("sluice: ");
        }
    }

    private static void acceptStallAndReset(int port, SluiceProcess sender) throws IOException {
        try (ServerSocket server = new ServerSocket(port, 1, InetAddress.getLoopbackAddress());
                Socket silent = server.accept()) {
            Greeting.answer(silent);
            sender.awaitErr(STALLED);
            silent.setSoLinger(true, 0);
        }
    }

    @Test
    void replayInALoopEndsOnlyWhenTold() throws IOException {
        Path file = randomFile(3_333_333);
        try (SluiceProcess receiver = SluiceProcess.start("receive", "--listen", "127.0.0.1:0", "--json");
                SluiceProcess sender = run(replay(file, "loop = true", receiver.listening()))) {
            sender.awaitErr(FLOWING);
            sender.terminate();

            SluiceProcess.Ended sent = sender.end();
            assertThat(sent.exit()).as("%s", sent).isZero();
            SluiceProcess.Ended received = receiver.end();
            assertThat(received.exit()).as("%s", received).isZero();
            assertThat(received.json().getLong("bytes"))
                    .isGreaterThan(3_333_333)
                    .isEqualTo(sent.json().getLong("kept_bytes"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"copy", "auto"})
    void fileThatIsCutShortWhileReplayedEndsTheRunWithOneSentence(String transport) throws IOException {
        Path file = randomFile(64 << 20);
        try (SluiceProcess receiver = SluiceProcess.start("receive", "--listen", "127.0.0.1:0", "--json");
                SluiceProcess sender = run(write("""
                        sluice {
                          sources { f { type = replay, path = "%s", loop = true } }
                          sinks { out { type = tcp, from = f, connect = "%s", transport = %s } }
                        }
                        """.formatted(file, receiver.listening(), transport)))) {
            sender.awaitErr(FLOWING);
            try (RandomAccessFile cut = new RandomAccessFile(file.toFile(), "rw")) {
                cut.setLength(0);
            }

            SluiceProcess.Ended sent = sender.end();
            assertThat(sent.exit()).as("%s", sent).isEqualTo(1);
            assertThat(sent.complaints().getLast()).startsWith("sluice: ");
            assertThat(sent.out())
                    .as("a summary, and no crash of the virtual machine")
                    .hasSize(1);
            assertThat(receiver.end().exit()).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"missing", "folder", "empty"})
    void fileThatCannotBeReplayedIsOneSentence(String what) throws IOException {
        Path file = folder.resolve(what);
        switch (what) {
            case "folder" -> Files.createDirectory(file);
            case "empty" -> Files.createFile(file);
            default -> assertThat(file).doesNotExist();
        }
        Path topology = replay(file, "", "127.0.0.1:" + SluiceProcess.freePort());
        SluiceProcess.Ended run = SluiceProcess.run("run", topology.toString());

        assertThat(run.exit()).isEqualTo(1);
        assertThat(run.err()).singleElement().asString().startsWith("sluice: ").contains(file.toString());
        assertThat(run.out()).as("a summary of nothing helps nobody").isEmpty();
    }

    private static Config assertNothingWrong(SluiceProcess.Ended received) {
        assertThat(received.exit()).as("%s", received).isZero();
        Config report = received.json();
        assertThat(report.getString("problem")).isEmpty();
        assertThat(report.getLong("wrong_bytes")).isZero();
        assertThat(report.getLong("verified_bytes")).isGreaterThan(0).isEqualTo(report.getLong("bytes"));
        return report;
    }

    private static SluiceProcess receive(String listen) {
        return SluiceProcess.start("receive", "--listen", listen, "--verify", "--json");
    }

    private static SluiceProcess run(Path topology) {
        return SluiceProcess.start("run", "--json", "--live", topology.toString());
    }

    private static String address(ServerSocket server) {
        return "127.0.0.1:" + server.getLocalPort();
    }

    private Path simulated(String source, String address, String sink) throws IOException {
        return write("""
                sluice {
                  drain-timeout = 1s
                  sources { f { type = simulated } }
                  sources { f { %s } }
                  sinks { out { type = tcp, from = f, connect = "%s", reconnect-max = 200ms } }
                  sinks { out { %s } }
                }
                """.formatted(source, address, sink));
    }

    private Path replay(Path file, String source, String address) throws IOException {
        return write("""
                sluice {
                  drain-timeout = 1s
                  sources { f { type = replay, path = "%s" } }
                  sources { f { %s } }
                  sinks { out { type = tcp, from = f, connect = "%s", reconnect-max = 200ms } }
                }
                """.formatted(file, source, address));
    }

    private Path write(String topology) throws IOException {
        return Files.writeString(Files.createTempFile(folder, "topology", ".conf"), topology);
    }

    private Path randomFile(int bytes) throws IOException {
        byte[] content = new byte[bytes];
        new Random(bytes).nextBytes(content);
        return Files.write(folder.resolve("in"), content);
    }
}
