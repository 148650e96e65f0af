// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import dev.sluice.wire.Authentication;
import dev.sluice.wire.Certificates;
import dev.sluice.wire.Greeting;
import dev.sluice.wire.Header;
import dev.sluice.wire.KeyFile;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The receiving end against senders that are broken or hostile, and against places that it cannot use. */
class ReceiveIT {

    private static final int PAYLOAD_LENGTH_AT = 12;

    @TempDir
    private Path folder;

    @Test
    void wholeStreamIsTaken() throws IOException {
        SluiceProcess.Ended received =
                receive(concat(frame(0, 0, words(0, 100)), frame(1, 800, words(100, 28)), end(2, 1024)), "--verify");

        assertThat(received.exit()).as("%s", received).isZero();
        assertThat(received.complaints()).isEmpty();
        Config report = received.json();
        assertThat(report.getLong("frames")).isEqualTo(2);
        assertThat(report.getLong("verified_bytes")).isEqualTo(1024);
        assertThat(report.getString("problem")).isEmpty();
    }

    @Test
    void wrongWordIsCountedAndTold() throws IOException {
        byte[] payload = words(0, 100);
        payload[96] ^= 1;
        SluiceProcess.Ended received = receive(concat(frame(0, 0, payload), end(1, 800)), "--verify");

        assertThat(received.exit()).isEqualTo(1);
        assertThat(received.json().getLong("wrong_bytes")).isEqualTo(8);
        assertThat(received.err()).anyMatch(line -> line.contains("source position 96"));
    }

    @Test
    void wrongWordIsCountedInTheTextToo() throws IOException {
        byte[] payload = words(0, 100);
        payload[96] ^= 1;
        assertThat(receiveText(concat(frame(0, 0, payload), end(1, 800))).out())
                .contains("verified 800 bytes, 8 wrong");
    }

    @Test
    void noiseIsRefused() throws IOException {
        byte[] noise = new byte[1 << 20];
        new Random(1).nextBytes(noise);
        assertRefused(noise, "bad magic");
    }

    @Test
    void requestOfAWebBrowserIsRefused() throws IOException {
        byte[] request = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: a browser that is lost\r\n\r\n"
                .getBytes(StandardCharsets.US_ASCII);
        assertRefused(request, "bad magic");
    }

    @Test
    void absurdLengthIsRefusedAtOnce() throws IOException {
        assertRefused(header(Header.TYPE_FRAME, 0xffff_ffffL, 0, 0, 0), "absurd payload length 4294967295");
        assertRefused(header(Header.TYPE_FRAME, Header.MOST_PAYLOAD_BYTES + 1, 0, 0, 0), "absurd payload length");
    }

    @Test
    void corruptHeaderIsRefused() throws IOException {
        byte[] frame = frame(0, 0, words(0, 100));
        frame[PAYLOAD_LENGTH_AT]++;
        assertRefused(frame, "wrong header CRC");
    }

    @Test
    void headerCutOffIsTold() throws IOException {
        byte[] half = new byte[30];
        System.arraycopy(frame(0, 0, words(0, 100)), 0, half, 0, half.length);
        assertRefused(half, "cut off inside a header");
    }

    @Test
    void frameCutOffIsTold() throws IOException {
        byte[] frame = frame(0, 0, words(0, 100));
        byte[] half = new byte[Header.BYTES + 300];
        System.arraycopy(frame, 0, half, 0, half.length);
        assertRefused(half, "cut off inside frame 0", "500 of 800 bytes missing");
    }

    @Test
    void longestFrameThatIsBelievedCutOffIsTold() throws IOException {
        assertRefused(header(Header.TYPE_FRAME, Header.MOST_PAYLOAD_BYTES, 0, 0, 0), "cut off inside frame 0");
    }

    @Test
    void missingEndIsTold() throws IOException {
        assertRefused(frame(0, 0, words(0, 100)), "without an END");
        assertRefused(new byte[0], "without an END");
    }

    @Test
    void oneFrameIsNotCalledFrames() throws IOException {
        SluiceProcess.Ended received = receive(frame(0, 0, words(0, 100)));
        assertThat(received.complaints().getFirst()).doesNotContain("1 frames");
    }

    @Test
    void unknownTypeAndVersionAreRefused() throws IOException {
        assertRefused(header(10, 0, 0, 0, 0), "type 10");
        assertRefused(header(Header.TYPE_WELCOME, 0, 0, 0, 0), "type WELCOME, which cannot come here");
        byte[] version = header(Header.TYPE_END, 0, 0, 0, 0);
        version[4] = 3;
        assertRefused(version, "wrong header CRC");
    }

    @Test
    void repeatedAndOverlappingFramesAreRefused() throws IOException {
        assertRefused(concat(frame(0, 0, words(0, 1)), frame(0, 8, words(1, 1))), "frame 0 came after frame 0");
        assertRefused(concat(frame(0, 0, words(0, 2)), frame(1, 8, words(1, 1))), "source position 8", "16");
    }

    @Test
    void absurdPositionsAreRefused() throws IOException {
        assertRefused(header(Header.TYPE_FRAME, 0, 0, -1, 0), "absurd position");
        assertRefused(header(Header.TYPE_FRAME, 0, 0, 0, -1), "absurd position");
        assertRefused(
                concat(
                        header(Header.TYPE_FRAME, 8, 0, Long.MAX_VALUE, 0),
                        words(0, 1),
                        header(Header.TYPE_END, 0, 1, 0, 0)),
                "position");
    }

    @Test
    void missingFramesAreCountedAsSkipped() throws IOException {
        SluiceProcess.Ended received =
                receive(concat(frame(0, 0, words(0, 1)), frame(5, 80, words(10, 1)), end(6, 88)));

        assertThat(received.exit()).isZero();
        assertThat(received.json().getLong("skipped_bytes")).isEqualTo(72);
    }

    @Test
    void rawBytesAreRecordedAsTheyCome() throws IOException {
        byte[] bytes = new byte[1_234_567];
        new Random(2).nextBytes(bytes);
        Path file = Files.writeString(folder.resolve("record"), "what was there before".repeat(100_000));
        SluiceProcess.Ended received = receive(bytes, "--framing", "raw", "--record", file.toString());

        assertThat(received.exit()).as("%s", received).isZero();
        assertThat(Files.readAllBytes(file)).isEqualTo(bytes);
    }

    @Test
    void emptyRawStreamIsAnEmptyFile() throws IOException {
        Path file = folder.resolve("record");
        assertThat(receive(new byte[0], "--framing", "raw", "--record", file.toString())
                        .exit())
                .isZero();
        assertThat(file).isEmptyFile();
    }

    @Test
    void recordingIntoAMissingFolderIsOneSentence() {
        Path file = folder.resolve("missing/record");
        assertRefusedAtStart(
                SluiceProcess.run("receive", "--listen", "127.0.0.1:0", "--record", file.toString()),
                file.toString(),
                "no such folder");
    }

    @Test
    void recordingOntoAFolderIsOneSentence() {
        assertRefusedAtStart(
                SluiceProcess.run("receive", "--listen", "127.0.0.1:0", "--record", folder.toString()),
                folder.toString());
    }

    @Test
    void fullDiskIsToldWithTheFileThatIsFull() throws IOException {
        SluiceProcess.Ended received =
                receive(concat(frame(0, 0, words(0, 100)), end(1, 800)), "--record", "/dev/full");

        assertThat(received.exit()).isEqualTo(1);
        assertThat(received.complaints())
                .singleElement()
                .asString()
                .startsWith("sluice: ")
                .contains("/dev/full", "No space left");
    }

    @Test
    void portInUseIsOneSentence() throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String address = "127.0.0.1:" + taken.getLocalPort();
            assertRefusedAtStart(
                    SluiceProcess.run("receive", "--listen", address), "cannot listen on " + address, "in use");
        }
    }

    @Test
    void addressOfAnotherMachineIsOneSentence() {
        // 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
        assertRefusedAtStart(SluiceProcess.run("receive", "--listen", "192.0.2.1:0"), "cannot listen on 192.0.2.1:0");
    }

    @Test
    void portInUseLeavesTheFileToRecordToAlone() throws IOException {
        Path file = Files.writeString(folder.resolve("record"), "precious");
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            assertThat(SluiceProcess.run(
                                    "receive",
                                    "--listen",
                                    "127.0.0.1:" + taken.getLocalPort(),
                                    "--record",
                                    file.toString())
                            .exit())
                    .isEqualTo(1);
        }
        assertThat(file).hasContent("precious");
    }

    @Test
    void whoIsNotAllowedOrHasNoKeyIsCountedAndTheSenderStillAwaited() throws IOException {
        KeyFile key = Greeting.keyFile(folder.resolve("key"), "a key of which nobody else has heard");
        try (SluiceProcess receiver = SluiceProcess.start(
                "receive",
                "--listen",
                "127.0.0.1:0",
                "--json",
                "--key-file",
                key.path().toString(),
                "--allow",
                "192.0.2.0/24,127.0.0.1")) {
            int port = port(receiver.listening());
            send(concat(Greeting.hello(7), frame(0, 0, words(0, 100)), end(1, 800)), port);
            try (Socket elsewhere = new Socket()) {
                elsewhere.bind(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.2"), 0));
                elsewhere.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
                assertThat(elsewhere.getInputStream().read()).isEqualTo(-1);
            }
            try (Socket sender = new Socket(InetAddress.getLoopbackAddress(), port)) {
                Greeting.authenticate(sender, new Authentication(key.read(), Authentication.Role.SENDER, true));
                sender.getOutputStream().write(concat(Greeting.hello(7), frame(0, 0, words(0, 100)), end(1, 800)));
                sender.shutdownOutput();
                sender.getInputStream().transferTo(OutputStream.nullOutputStream());
            }
            SluiceProcess.Ended received = receiver.end();
            assertThat(received.exit()).as("%s", received).isZero();
            assertThat(received.json().getLong("turned_away")).isEqualTo(2);
            assertThat(received.json().getLong("frames")).isEqualTo(1);
        }
    }

    /** Ctrl-C, or a service manager, ends a receiver that waits, or is in the middle of a stream. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aReceiverThatIsToldToEndReportsWhatHasCome(boolean connected) throws Exception {
        try (SluiceProcess receiver =
                        SluiceProcess.start("receive", "--listen", "127.0.0.1:0", "--json", "--reconnect", "--verify");
                Socket sender = new Socket(InetAddress.getLoopbackAddress(), port(receiver.listening()))) {
            sender.getOutputStream().write(concat(Greeting.hello(7), frame(0, 0, words(0, 100))));
            assertThat(sender.getInputStream().readNBytes(2 * Header.BYTES)).hasSize(2 * Header.BYTES); // WELCOME, ACK
            if (!connected) {
                sender.shutdownOutput();
                receiver.awaitErr("waiting for the sender to come back");
            }
            receiver.terminate();
            SluiceProcess.Ended received = receiver.end();
            assertThat(received.exit()).as("%s", received).isEqualTo(1);
            assertThat(received.complaints())
                    .singleElement()
                    .asString()
                    .isEqualTo(
                            connected
                                    ? "sluice: the connection closed without an END after 1 frame: interrupted"
                                    : "sluice: interrupted before the stream had ended");
            assertThat(received.json().getLong("verified_bytes")).isEqualTo(800);
        }
    }

    /** Also while it connects to somebody who does not answer. */
    @Test
    void aReceiverThatConnectsIsToldToEndAtOnce() throws Exception {
        Path authority = new Certificates(folder).authority("ca");
        try (ServerSocket mute = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                SluiceProcess receiver = SluiceProcess.start(
                        "receive",
                        "--json",
                        "--connect",
                        "127.0.0.1:" + mute.getLocalPort(),
                        "--tls-trust",
                        authority.toString());
                Socket connected = mute.accept()) {
            assertThat(connected.getInputStream().read()).isPositive(); // it begins to shake hands
            receiver.terminate();
            SluiceProcess.Ended received = receiver.end();
            assertThat(received.exit()).as("%s", received).isEqualTo(1);
            assertThat(received.complaints()).containsExactly("sluice: interrupted before the stream had ended");
        }
    }

    private static int port(String address) {
        return Integer.parseInt(address.substring(address.indexOf(':') + 1));
    }

    @Test
    void aKeyThatOthersCanReadIsOneSentence() throws IOException {
        Path key = Greeting.keyFile(folder.resolve("key"), "a key of which nobody else has heard")
                .path();
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-rw-rw-"));
        assertRefusedAtStart(
                SluiceProcess.run("receive", "--listen", "127.0.0.1:0", "--key-file", key.toString()),
                "the key file " + key + " is open to others than its owner; chmod 600 " + key);
    }

    private static void assertRefusedAtStart(SluiceProcess.Ended ended, String... parts) {
        assertThat(ended.exit()).isEqualTo(1);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err())
                .singleElement()
                .asString()
                .startsWith("sluice: ")
                .contains(parts)
                .doesNotContain("/192", "/127");
    }

    /** Exit 1, and one sentence that has all these parts. */
    private static void assertRefused(byte[] bytes, String... parts) throws IOException {
        SluiceProcess.Ended received = receive(bytes);
        assertThat(received.exit()).as("%s", received).isEqualTo(1);
        assertThat(received.complaints())
                .singleElement()
                .asString()
                .startsWith("sluice: ")
                .contains(parts);
        assertThat(received.json().getString("problem")).contains(parts);
    }

    private static SluiceProcess.Ended receive(byte[] bytes, String... options) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("receive", "--listen", "127.0.0.1:0", "--json"));
        arguments.addAll(List.of(options));
        try (SluiceProcess receiver = SluiceProcess.start(arguments.toArray(String[]::new))) {
            String address = receiver.listening();
            boolean framed = !List.of(options).contains("raw");
            send(
                    framed ? concat(Greeting.hello(7), bytes) : bytes,
                    Integer.parseInt(address.substring(address.indexOf(':') + 1)));
            return receiver.end();
        }
    }

    private static SluiceProcess.Ended receiveText(byte[] bytes) throws IOException {
        try (SluiceProcess receiver = SluiceProcess.start("receive", "--listen", "127.0.0.1:0", "--verify")) {
            send(
                    concat(Greeting.hello(7), bytes),
                    Integer.parseInt(receiver.awaitOut("listening on 127\\.0\\.0\\.1:(\\d+)")
                            .group(1)));
            return receiver.end();
        }
    }

    private static void send(byte[] bytes, int port) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
                OutputStream out = socket.getOutputStream()) {
            out.write(bytes);
            socket.shutdownOutput();
            socket.getInputStream().transferTo(OutputStream.nullOutputStream()); // a close would reset, with it unread
        } catch (SocketException e) {
            // The receiver hung up on what it did not like before all of it was sent.
            assertThat(e).hasMessageMatching("Connection reset.*|Broken pipe.*");
        }
    }

    private static byte[] frame(long sequence, long sourceOffset, byte[] payload) {
        byte[] bytes = new byte[Header.BYTES];
        new Header(MemorySegment.ofArray(bytes))
                .encode(Header.TYPE_FRAME, Header.FLAG_CONTIGUOUS, 0, payload.length, sequence, 0, sourceOffset, 0);
        return concat(bytes, payload);
    }

    private static byte[] end(long sequence, long sourceOffset) {
        return header(Header.TYPE_END, 0, sequence, sourceOffset, 0);
    }

    private static byte[] header(int type, long payloadBytes, long sequence, long sourceOffset, long lostBytes) {
        byte[] bytes = new byte[Header.BYTES];
        new Header(MemorySegment.ofArray(bytes)).encode(type, 0, 0, payloadBytes, sequence, 0, sourceOffset, lostBytes);
        return bytes;
    }

    /** The simulated device's pattern: 64-bit words that count up. */
    private static byte[] words(long first, int count) {
        ByteBuffer words = ByteBuffer.allocate(count * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            words.putLong(first + i);
        }
        return words.array();
    }

    private static byte[] concat(byte[]... parts) {
        int length = 0;
        for (byte[] part : parts) {
            length += part.length;
        }
        ByteBuffer all = ByteBuffer.allocate(length);
        for (byte[] part : parts) {
            all.put(part);
        }
        return all.array();
    }
}
