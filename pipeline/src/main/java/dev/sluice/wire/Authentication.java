// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * How both ends of a connection prove to each other that they have the same key, before either says anything else. What
 * is said, and by whom; how it travels is its user's business.
 *
 * <pre>
 *   the end that connected                      the end that listens
 *   CHALLENGE, 32 random bytes  ───────────▶
 *                               ◀───────────    CHALLENGE, 32 random bytes
 *   PROOF                       ───────────▶    wrong: hangs up
 *                               ◀───────────    PROOF
 *   wrong: hangs up
 * </pre>
 *
 * <p>A PROOF is the HMAC-SHA-256 (RFC 2104), with the key, of a label that says who proves it, a zero byte, the sender's
 * challenge and the receiver's.
 *
 * <ul>
 *   <li>Replay: a recorded proof answers recorded challenges, and one of the two is new on each connection.
 *   <li>Reflection: the label names sender or receiver, so that no end's proof is right for the other; a challenge that
 *       comes back is refused besides.
 *   <li>Relay: the label also says who connected. Of two ends that were both lured to a third one, neither takes the
 *       other's proof.
 *   <li>Probing: the end that connected proves first. Whoever connects without the key gets random bytes, and nothing
 *       that depends on the key and could be tried against guesses.
 * </ul>
 *
 * <p>It says who is at the other end when the connection begins. It does not protect what follows against somebody who can
 * change what is on the line.
 *
 * <p>Not thread-safe.
 */
public final class Authentication {

    /** The ends of a stream. */
    public enum Role {
        SENDER,
        RECEIVER;

        @Override
        public String toString() {
            return this == SENDER ? "sender" : "receiver";
        }
    }

    private static final String ALGORITHM = "HmacSHA256";
    private static final byte[] NOTHING = {};

    private final byte[] key;
    private final Role role;
    private final boolean connects;
    private final byte[] challenge = new byte[Header.SECRET_BYTES];

    /** The peer's, once it has come. */
    private byte @Nullable [] challenged;

    private boolean done;

    /**
     * Of one connection.
     *
     * @param key of any length
     * @param role of this end
     * @param connects whether this end made the connection
     */
    public Authentication(byte[] key, Role role, boolean connects) {
        this.key = key.clone();
        this.role = role;
        this.connects = connects;
        new SecureRandom().nextBytes(challenge);
    }

    /** What to say first: one header. */
    public byte[] begin() {
        return header(Header.TYPE_CHALLENGE, challenge);
    }

    /** Whether the peer has proved that it has the key. What {@link #take} returned then is still to be said. */
    public boolean done() {
        return done;
    }

    /**
     * Takes what the peer said.
     *
     * @param came 64 bytes that nobody has looked at
     * @return what to say now: one header, or nothing
     * @throws WireException with one sentence, if the peer is not to be talked to
     */
    public byte[] take(Header came) throws WireException {
        if (done) {
            throw new IllegalStateException("the peer has proved all it must");
        }
        byte[] theirs = challenged;
        came.validate(1 << (theirs == null ? Header.TYPE_CHALLENGE : Header.TYPE_PROOF)
                | 1 << Header.TYPE_HELLO
                | 1 << Header.TYPE_WELCOME);
        if (came.type() == Header.TYPE_HELLO || came.type() == Header.TYPE_WELCOME) {
            throw new WireException("the " + peer() + " has no key, and here one is asked for: "
                    + (role == Role.SENDER ? howToReceive() : howToSend()));
        }
        if (theirs == null) {
            return takeChallenge(came.secret());
        }
        if (!MessageDigest.isEqual(came.secret(), proof(peer(), !connects, theirs))) {
            throw new WireException("the " + peer() + " has another key");
        }
        done = true;
        return connects ? NOTHING : header(Header.TYPE_PROOF, proof(role, connects, theirs));
    }

    private byte[] takeChallenge(byte[] theirs) throws WireException {
        if (Arrays.equals(theirs, challenge)) {
            throw new WireException("the peer sends back what it is sent");
        }
        challenged = theirs;
        return connects ? header(Header.TYPE_PROOF, proof(role, connects, theirs)) : NOTHING;
    }

    private Role peer() {
        return role == Role.SENDER ? Role.RECEIVER : Role.SENDER;
    }

    private byte[] proof(Role by, boolean whoConnected, byte[] theirs) {
        String label = "sluice " + Header.VERSION + " " + by + (whoConnected ? " that connected" : " that listened");
        try {
            Mac mac = Mac.getInstance(ALGORITHM);
            mac.init(new SecretKeySpec(key, ALGORITHM));
            mac.update(label.getBytes(StandardCharsets.US_ASCII));
            mac.update((byte) 0);
            mac.update(role == Role.SENDER ? challenge : theirs);
            mac.update(role == Role.SENDER ? theirs : challenge);
            return mac.doFinal();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has " + ALGORITHM, e);
        }
    }

    private static byte[] header(int type, byte[] secret) {
        byte[] bytes = new byte[Header.BYTES];
        new Header(MemorySegment.ofArray(bytes)).secret(type, secret);
        return bytes;
    }

    /** For an end without a key that was sent a CHALLENGE. */
    public static WireException asked(Role by) {
        return new WireException("the " + by + " asks for a key, and here is none: "
                + (by == Role.RECEIVER ? howToSend() : howToReceive()));
    }

    /** For an end whose peer closed the connection before it had proved anything. */
    public static String leftBy(Role peer) {
        return "the " + peer
                + " closed the connection before it proved that it has the key: it may have another, or none";
    }

    private static String howToSend() {
        return "write auth { key-file = \"/etc/sluice/key\" } in the sink";
    }

    private static String howToReceive() {
        return "write receive --key-file FILE";
    }
}
