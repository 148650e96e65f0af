// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sluice run} with a sink that listens, and {@code sluice receive --connect} that finds it. */
class ListenIT {

    private static final String LISTENING = "net: listening on (127\\.0\\.0\\.1:\\d+)";

    @TempDir
    private Path folder;

    private SluiceProcess run(String listen, int receivers) throws IOException {
        Path topology = Files.writeString(folder.resolve("listen.conf"), """
                sluice {
                  sources { fpga { type = simulated, rate = 20MB } }
                  sinks { net { type = tcp, from = fpga, listen = "%s", receivers = %d } }
                }
                """.formatted(listen, receivers));
        return SluiceProcess.start("run", "--json", "--live", topology.toString());
    }

    private static SluiceProcess receive(String address, String... more) {
        String[] arguments = new String[more.length + 4];
        System.arraycopy(new String[] {"receive", "--connect=" + address, "--verify", "--json"}, 0, arguments, 0, 4);
        System.arraycopy(more, 0, arguments, 4, more.length);
        return SluiceProcess.start(arguments);
    }

    @Test
    void aSignalDrainsToEveryReceiver() throws IOException {
        try (SluiceProcess sender = run("127.0.0.1:0", 2)) {
            String address = sender.awaitErr(LISTENING).group(1);
            try (SluiceProcess first = receive(address);
                    SluiceProcess second = receive(address)) {
                sender.awaitErr("net: .* connected", 2);
                sender.awaitErr("[1-9][\\d.]* MB/s \\|", sender.countErr("MB/s \\|") + 2);
                sender.terminate();

                SluiceProcess.Ended sent = sender.end();
                assertThat(sent.exit()).as("%s", sent).isZero();
                assertThat(sent.json().getLong("receivers")).isEqualTo(2);
                assertThat(sent.json().getLong("stuck_buffers")).isZero();
                long frames = 0;
                for (SluiceProcess receiver : new SluiceProcess[] {first, second}) {
                    SluiceProcess.Ended received = receiver.end();
                    assertThat(received.exit()).as("%s", received).isZero();
                    assertThat(received.json().getLong("wrong_bytes")).isZero();
                    assertThat(received.json().getLong("skipped_bytes")).isZero();
                    assertThat(received.json().getLong("verified_bytes"))
                            .isEqualTo(received.json().getLong("bytes"))
                            .isPositive();
                    frames += received.json().getLong("frames");
                }
                assertThat(sent.json().getLong("frames_sent")).isEqualTo(frames);
            }
        }
    }

    @Test
    void aReceiverThatConnectsAgainWaitsForItsSender() throws IOException {
        String address = "127.0.0.1:" + SluiceProcess.freePort();
        try (SluiceProcess receiver = receive(address, "--reconnect")) {
            receiver.awaitErr("cannot connect to " + address + ": Connection refused; trying again");
            try (SluiceProcess sender = run(address, 1)) {
                receiver.awaitErr("connection to ");
                sender.kill();
            }
            receiver.awaitErr("cannot connect to .*; trying again", 2);
            receiver.terminate();
        }
    }

    @Test
    void aSenderThatIsNotThereIsOneSentence() {
        String address = "127.0.0.1:" + SluiceProcess.freePort();
        try (SluiceProcess receiver = receive(address)) {
            SluiceProcess.Ended ended = receiver.end();
            assertThat(ended.exit()).isEqualTo(1);
            assertThat(ended.complaints())
                    .containsExactly("sluice: cannot connect to " + address + ": Connection refused");
        }
    }

    @Test
    void connectingAndListeningAtOnceIsAWrongCommandLine() {
        for (String[] wrong : new String[][] {
            {"receive", "--connect", "127.0.0.1:7000", "--listen", "127.0.0.1:0"},
            {"receive", "--connect", "127.0.0.1:0"},
            {"receive", "--connect", "nonsense"}
        }) {
            SluiceProcess.Ended ended = SluiceProcess.run(wrong);
            assertThat(ended.exit()).as("%s", ended).isEqualTo(2);
            assertThat(ended.complaints().getFirst())
                    .startsWith("--connect is \"")
                    .contains("; write ");
        }
    }
}
