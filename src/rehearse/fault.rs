//! Faults: what happens to the machine or to spinet while a deploy is at a certain point.

/// How far a deploy has come when the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Copying,
    /// The guard is on its way.
    Starting,
    /// The host's switch has begun.
    Activating,
    Committing,
}

const STAGES: &[Stage] = &[
    Stage::Copying,
    Stage::Starting,
    Stage::Activating,
    Stage::Committing,
];

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The Pi loses its power and gets it back at once.
    Power,
    /// The same, and the Pi believes it is 1970 then.
    PowerAndClock,
    /// The cable is out for some seconds.
    Link(u64),
    /// spinet is killed.
    Kill,
}

/// One drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    pub stage: Stage,
    pub fault: Fault,
    /// Milliseconds from the stage's beginning to the fault.
    pub after: u64,
}

impl Stage {
    /// What spinet prints when it begins.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Copying => ": copying ",
            Self::Starting => ": activating",
            // in the words of switch-to-configuration
            Self::Activating => "| activating the configuration",
            Self::Committing => "; making it permanent",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Copying => "copying",
            Self::Starting => "starting",
            Self::Activating => "activating",
            Self::Committing => "committing",
        }
    }

    /// The variant of the configuration that is there for a while (nix/rehearsals.nix).
    pub fn variant(self) -> &'static str {
        match self {
            Self::Copying => "large",
            Self::Starting | Self::Activating | Self::Committing => "slow",
        }
    }
}

impl Fault {
    pub fn word(self) -> &'static str {
        match self {
            Self::Power => "power cut",
            Self::PowerAndClock => "power cut, clock at 1970",
            Self::Link(_) => "link cut",
            Self::Kill => "spinet killed",
        }
    }
}

/// Draws faults: splitmix64 from a seed, so that the same seed draws the same ones on every machine.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> Drawn {
        let stage = self.one_of(STAGES);
        let seconds = 3 + self.number() % 30;
        let faults = [
            Fault::Power,
            Fault::PowerAndClock,
            Fault::Link(seconds),
            Fault::Kill,
        ];
        Drawn {
            stage,
            fault: self.one_of(&faults),
            after: self.number() % 4000,
        }
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let count = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(self.number() % count).unwrap_or(0);
        all[index]
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_faults_again_and_another_others() {
        let draw = |seed| {
            let mut draw = Draw::new(seed);
            (0..50).map(|_| draw.next()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        for stage in STAGES {
            assert!(draw(1).iter().any(|drawn| drawn.stage == *stage));
        }
        assert!(draw(1).iter().any(|drawn| drawn.fault == Fault::Kill));
    }

    #[test]
    fn numbers_are_those_of_splitmix64() {
        // the reference implementation's first number from seed 0
        assert_eq!(Draw::new(0).number(), 0xE220_A839_7B1D_CDAF);
    }
}
