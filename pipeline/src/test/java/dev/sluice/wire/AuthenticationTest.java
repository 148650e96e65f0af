// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import static dev.sluice.wire.Authentication.Role.RECEIVER;
import static dev.sluice.wire.Authentication.Role.SENDER;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Who has the key is let in, and nobody else, whatever he has heard before. */
final class AuthenticationTest {

    private static final byte[] KEY = "a key of which nobody else has heard".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] OTHER = "a key of which somebody else has heard".getBytes(StandardCharsets.US_ASCII);

    private static Authentication.Role other(Authentication.Role role) {
        return role == SENDER ? RECEIVER : SENDER;
    }

    private static Header header(byte[] bytes) {
        return new Header(MemorySegment.ofArray(bytes.clone()));
    }

    private static byte[] take(Authentication by, byte[] said) throws WireException {
        return by.take(header(said));
    }

    /** What both ends of a connection said that went well. */
    private static final class Recorded {

        private final byte[] challenge;
        private final byte[] proof;
        private final byte[] listenersChallenge;
        private final byte[] listenersProof;

        Recorded(byte[] challenge, byte[] proof, byte[] listenersChallenge, byte[] listenersProof) {
            this.challenge = challenge;
            this.proof = proof;
            this.listenersChallenge = listenersChallenge;
            this.listenersProof = listenersProof;
        }
    }

    private static Recorded exchange(Authentication connects, Authentication listens) throws WireException {
        byte[] challenge = connects.begin();
        byte[] listenersChallenge = listens.begin();
        assertThat(take(listens, challenge)).isEmpty();
        byte[] proof = take(connects, listenersChallenge);
        byte[] listenersProof = take(listens, proof);
        assertThat(listens.done()).isTrue();
        assertThat(connects.done()).isFalse();
        assertThat(take(connects, listenersProof)).isEmpty();
        assertThat(connects.done()).isTrue();
        return new Recorded(challenge, proof, listenersChallenge, listenersProof);
    }

    @ParameterizedTest
    @EnumSource
    void bothProveThatTheyHaveTheKeyAndTheEndThatConnectedDoesSoFirst(Authentication.Role role) throws Exception {
        exchange(new Authentication(KEY, role, true), new Authentication(KEY, other(role), false));
    }

    @ParameterizedTest
    @EnumSource
    void aProofIsAsTheFormatSays(Authentication.Role role) throws Exception {
        Recorded recorded = exchange(new Authentication(KEY, role, true), new Authentication(KEY, other(role), false));
        byte[] ours = header(recorded.challenge).secret();
        byte[] theirs = header(recorded.listenersChallenge).secret();
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(KEY, "HmacSHA256"));
        mac.update(("sluice 2 " + (role == SENDER ? "sender" : "receiver") + " that connected\0")
                .getBytes(StandardCharsets.US_ASCII));
        mac.update(role == SENDER ? ours : theirs);
        mac.update(role == SENDER ? theirs : ours);
        assertThat(header(recorded.proof).secret()).isEqualTo(mac.doFinal());
    }

    @Test
    void noTwoChallengesAreTheSame() {
        byte[] one = header(new Authentication(KEY, SENDER, true).begin()).secret();
        byte[] two = header(new Authentication(KEY, SENDER, true).begin()).secret();
        assertThat(one).isNotEqualTo(two).isNotEqualTo(new byte[Header.SECRET_BYTES]);
    }

    @ParameterizedTest
    @EnumSource
    void anotherKeyIsRefusedByBothEnds(Authentication.Role role) throws Exception {
        Authentication connects = new Authentication(OTHER, role, true);
        Authentication listens = new Authentication(KEY, other(role), false);
        take(listens, connects.begin());
        byte[] proof = take(connects, listens.begin());
        assertThatThrownBy(() -> take(listens, proof))
                .isInstanceOf(WireException.class)
                .hasMessage("the " + (role == SENDER ? "sender" : "receiver") + " has another key");
        assertThat(listens.done()).isFalse();

        Authentication honest = new Authentication(KEY, role, true);
        Authentication impostor = impostorOf(role);
        take(honest, impostor.begin());
        Recorded theirs = exchange(new Authentication(OTHER, role, true), impostorOf(role));
        assertThatThrownBy(() -> take(honest, theirs.listenersProof)).hasMessageContaining("has another key");
        assertThat(honest.done()).isFalse();
    }

    private static Authentication impostorOf(Authentication.Role role) {
        return new Authentication(OTHER, other(role), false);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 15, 16, 30, 31})
    void oneBitThatIsWrongIsRefusedWhereverItIs(int at) throws Exception {
        Authentication connects = new Authentication(KEY, SENDER, true);
        Authentication listens = new Authentication(KEY, RECEIVER, false);
        take(listens, connects.begin());
        byte[] proof = header(take(connects, listens.begin())).secret();
        proof[at] ^= 1;
        byte[] wrong = new byte[Header.BYTES];
        new Header(MemorySegment.ofArray(wrong)).secret(Header.TYPE_PROOF, proof);
        assertThatThrownBy(() -> take(listens, wrong)).hasMessage("the sender has another key");
    }

    @ParameterizedTest
    @EnumSource
    void aRecordedConnectionProvesNothingOnAnother(Authentication.Role role) throws Exception {
        Recorded recorded = exchange(new Authentication(KEY, role, true), new Authentication(KEY, other(role), false));

        Authentication listens = new Authentication(KEY, other(role), false);
        take(listens, recorded.challenge);
        assertThatThrownBy(() -> take(listens, recorded.proof)).hasMessageContaining("has another key");

        Authentication connects = new Authentication(KEY, role, true);
        take(connects, recorded.listenersChallenge);
        assertThatThrownBy(() -> take(connects, recorded.listenersProof)).hasMessageContaining("has another key");
    }

    @ParameterizedTest
    @EnumSource
    void whatAnEndSaysItselfProvesNothingToIt(Authentication.Role role) throws Exception {
        for (boolean connects : new boolean[] {true, false}) {
            Authentication end = new Authentication(KEY, role, connects);
            assertThatThrownBy(() -> take(end, end.begin())).hasMessage("the peer sends back what it is sent");
        }
        Authentication connects = new Authentication(KEY, role, true);
        byte[] proof = take(connects, impostorOf(role).begin());
        assertThatThrownBy(() -> take(connects, proof)).hasMessageContaining("has another key");
    }

    /** Of two connections to the same end, and of two ends on each of which somebody in between takes one part. */
    @Test
    void whatOneEndSaysProvesNothingForTheOtherRoleOrSide() throws Exception {
        Authentication sender = new Authentication(KEY, SENDER, true);
        Authentication receiver = new Authentication(KEY, RECEIVER, true);
        byte[] ofSender = take(sender, receiver.begin());
        byte[] ofReceiver = take(receiver, sender.begin());
        assertThatThrownBy(() -> take(sender, ofReceiver)).hasMessage("the receiver has another key");
        assertThatThrownBy(() -> take(receiver, ofSender)).hasMessage("the sender has another key");

        Authentication one = new Authentication(KEY, SENDER, true);
        Authentication two = new Authentication(KEY, SENDER, false);
        byte[] ofOne = take(one, two.begin());
        take(two, one.begin());
        assertThatThrownBy(() -> take(two, ofOne)).hasMessage("the receiver has another key");
    }

    @Test
    void whoHasNoKeyIsToldWhatToDoAboutIt() {
        Authentication receiver = new Authentication(KEY, RECEIVER, false);
        assertThatThrownBy(() -> take(receiver, Greeting.hello(7)))
                .hasMessage("the sender has no key, and here one is asked for: write auth { key-file = "
                        + "\"/etc/sluice/key\" } in the sink");
        byte[] welcome = new byte[Header.BYTES];
        new Header(MemorySegment.ofArray(welcome))
                .progress(Header.TYPE_WELCOME, 0, new Progress(true, false, Place.START, 0, 0));
        Authentication sender = new Authentication(KEY, SENDER, true);
        assertThatThrownBy(() -> take(sender, welcome))
                .hasMessage("the receiver has no key, and here one is asked for: write receive --key-file FILE");
    }

    @Test
    void whatIsNotNextIsRefused() throws Exception {
        Authentication sender = new Authentication(KEY, SENDER, true);
        assertThatThrownBy(() -> take(sender, new byte[Header.BYTES])).hasMessageContaining("bad magic");
        byte[] proof = new byte[Header.BYTES];
        new Header(MemorySegment.ofArray(proof)).secret(Header.TYPE_PROOF, new byte[Header.SECRET_BYTES]);
        assertThatThrownBy(() -> take(sender, proof)).hasMessageContaining("type PROOF, which cannot come here");
        byte[] challenge = impostorOf(SENDER).begin();
        take(sender, challenge);
        assertThatThrownBy(() -> take(sender, challenge))
                .hasMessageContaining("type CHALLENGE, which cannot come here");
    }

    @Test
    void theKeyIsItsOwnCopy() throws Exception {
        byte[] key = KEY.clone();
        Authentication connects = new Authentication(key, SENDER, true);
        Arrays.fill(key, (byte) 0);
        exchange(connects, new Authentication(KEY, RECEIVER, false));
    }
}
